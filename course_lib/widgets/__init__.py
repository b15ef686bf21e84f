"""Widgets that compute in the browser: they live in a notebook and on a page without a kernel.

May import networks, training, checks and plots; the only home of anywidget.
"""

from course_lib.widgets.base import (
    KERNELS, WIDGET_MIMETYPE, WidgetError, module_source, static_text,
    style_source,
)
from course_lib.widgets.beat import Beat
from course_lib.widgets.padding_stride import PaddingStride
from course_lib.widgets.pooling import PoolingWindow
from course_lib.widgets.sliding_kernel import SlidingKernel

__all__ = [
    "KERNELS", "WIDGET_MIMETYPE", "Beat", "PaddingStride", "PoolingWindow", "SlidingKernel",
    "WidgetError", "module_source", "static_text", "style_source",
]
