"""What a run has to say: the table in the terminal, the charts, the HTML page, and runs side by side.

Reads run directories and nothing else, so that a run can be shown on another machine, years later, without
its models.
"""
