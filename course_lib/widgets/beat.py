"""A beat of the plain kind: one control, one picture that the lesson's own callback draws.

Imports plots; where no kernel runs, an overview of all settings stands for the control.
"""

from __future__ import annotations

import base64

import ipywidgets

from course_lib.plots import Picture
from course_lib.widgets.base import WidgetError

PNG = b"\x89PNG\r\n\x1a\n"


class Beat:
    """Show a control above a picture; where no kernel runs, all settings side by side.

    control: a slider, a dropdown, or a box of them; picture: an ipywidgets.Image (PNG) or HTML
    whose value the lesson's `observe` callback sets; call it once before. alt: the sentence for
    those who cannot see it, by default "description: value" of the control. overview: a Picture
    of what the settings show, one beside the other, for a page, a slide, paper and GitHub; the
    picture as it is now where there is none.
    Raises WidgetError where there is no picture yet, or no description to speak of.
    >>> slider = ipywidgets.IntSlider(3, description="stride")
    >>> Beat(slider, ipywidgets.HTML("<b>9</b>"))
    Beat: stride: 3
    """

    def __init__(self, control, picture, alt: str | None = None, overview: Picture | None = None):
        if not isinstance(picture, (ipywidgets.Image, ipywidgets.HTML)):
            raise WidgetError(
                "Beat: picture must be an ipywidgets.Image or an ipywidgets.HTML, "
                f"got {type(picture).__name__}."
            )
        if not isinstance(control, ipywidgets.Widget):
            raise WidgetError(
                "Beat: control must be an ipywidgets slider, dropdown or box of them, "
                f"got {type(control).__name__}."
            )
        if not isinstance(overview, (Picture, type(None))):
            raise WidgetError(
                "Beat: overview must be a Picture of all settings, as show_images(...) gives it, "
                f"got {type(overview).__name__}."
            )
        self.control, self.picture, self.alt, self.overview = control, picture, alt, overview
        self.box = ipywidgets.VBox([control, picture])
        self.told()

    def told(self) -> str:
        """The alt text of the moment."""
        told = self.alt or ", ".join(describe(self.control))
        if not told:
            raise WidgetError(
                "Beat: expected a control with a description, or alt='what the picture shows', "
                "got neither."
            )
        return told

    def _repr_mimebundle_(self, **options):
        """The live view for a notebook; a picture and its text for all that has no kernel."""
        live = self.box._repr_mimebundle_(**options)
        live = live[0] if isinstance(live, tuple) else live
        data, metadata = self.still()
        return {**live, "text/plain": repr(self), **data}, metadata

    def still(self) -> tuple[dict, dict]:
        """What stands for the control where no kernel runs, as (data, metadata) of an output."""
        if not self.picture.value:
            raise WidgetError(
                "Beat: the picture is empty: call the callback once before Beat(control, picture)."
            )
        if self.overview is not None:
            data, metadata = self.overview._repr_mimebundle_()
            about = {**metadata["image/png"], "beat": "overview"}
            return {"image/png": data["image/png"]}, {"image/png": about}
        if isinstance(self.picture, ipywidgets.HTML):
            return {"text/html": self.picture.value}, {}
        content = bytes(self.picture.value)
        if not content.startswith(PNG):
            raise WidgetError("Beat: the picture's value must be a PNG, as Picture.png() gives it.")
        about = {"alt": self.told()}
        if self.picture.width.isdigit():
            about["width"] = int(self.picture.width)
        return {"image/png": base64.b64encode(content).decode("ascii")}, {"image/png": about}

    def __repr__(self) -> str:
        return f"Beat: {self.told()}"


def describe(control) -> list[str]:
    """"description: value" of a control, or of every control in a box.

    >>> describe(ipywidgets.HBox([ipywidgets.IntSlider(2, description="k"), ipywidgets.Label()]))
    ['k: 2']
    """
    if isinstance(control, ipywidgets.Box):
        return [told for child in control.children for told in describe(child)]
    if not getattr(control, "description", "") or not hasattr(control, "value"):
        return []
    value = getattr(control, "label", None) or control.value  # a choice shows its label
    return [f"{control.description.rstrip(':')}: {value}"]
