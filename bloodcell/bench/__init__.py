"""`bloodcell-bench`: how fast this machine scores, what holds it back, and against what.

Its modules in layers; each imports only from layers below its own:

    cli                               the options
    command                           what every command does around its measurement
    charts                            pictures of what was measured
    run, peers, scale, soak           the commands' measurements
    fresh                             one thing measured in a process of its own
    stages                            a run's stages, each alone
    checks                            what a stage must give
    sample                            what the stages work on
    timing, stand_in, tables          clock and threads; a network that costs nothing; words
    record                            what was measured so far, and how it ended
    inputs, machine, statistics, scoring_options
"""
