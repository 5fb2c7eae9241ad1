"""Where the command ``bloodcell`` begins: streams and signals first, then everything else."""

from bloodcell.terminal import as_command


def main() -> None:
    """Run the command line."""
    with as_command():
        from bloodcell.cli import main as run

        run()


if __name__ == "__main__":
    main()
