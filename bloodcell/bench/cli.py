"""`bloodcell-bench`. Only click is imported here, so that ``--help`` answers at once."""

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bloodcell")
def main() -> None:
    """Measure bloodcell on this machine: how fast, how cost grows, whether anything leaks."""


if __name__ == "__main__":
    main()
