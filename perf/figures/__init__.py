"""Pictures, of the report and of docs/results. Each module of the report has draw(documents) -> Figure, or None where there is
nothing to draw. As a subcommand: what perf/results/pages.py does."""


def add_arguments(parser):
    from perf.results import pages
    parser.description = pages.__doc__
    pages.add_arguments(parser)


def run(arguments):
    from perf.results import pages
    return pages.run(arguments)
