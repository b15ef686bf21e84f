"""The still pictures of widgets that plots has none for: one module a widget, `draw_<name>`.

Arrays in, a Picture out, as in plots, whose looks and small tools they use.
"""
