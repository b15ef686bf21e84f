"""The five published systems, run again: their numbers beside ours, with spread and interval.

systems is the data, trials the work, mistakes what was wrong, measure runs and stores, report
makes tables and figures. Imports the library; matplotlib only through plots.
"""
