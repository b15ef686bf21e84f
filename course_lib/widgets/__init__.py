"""Widgets that compute in the browser: they live in a notebook and on a page without a kernel.

May import networks, training, checks and plots; the only home of anywidget.
"""

from course_lib.widgets.base import (
    KERNELS, WIDGET_MIMETYPE, WidgetError, module_source, static_text,
    style_source,
)
from course_lib.widgets.beat import Beat
from course_lib.widgets.draw_digit import DrawDigit
from course_lib.widgets.gradient_flow import GradientFlow
from course_lib.widgets.kernel_editor import KernelEditor
from course_lib.widgets.padding_stride import PaddingStride
from course_lib.widgets.pixel_inspector import PixelInspector
from course_lib.widgets.pooling import PoolingWindow
from course_lib.widgets.sample_size import SampleSize
from course_lib.widgets.shape_tracer import ShapeTracer
from course_lib.widgets.sliding_kernel import SlidingKernel
from course_lib.widgets.training_player import TrainingPlayer
from course_lib.widgets.step_size import StepSizeCurve

__all__ = [
    "KERNELS", "WIDGET_MIMETYPE", "Beat", "DrawDigit", "GradientFlow", "KernelEditor",
    "PaddingStride", "PixelInspector", "PoolingWindow", "SampleSize", "ShapeTracer",
    "SlidingKernel", "StepSizeCurve", "TrainingPlayer", "WidgetError", "module_source",
    "static_text", "style_source",
]
