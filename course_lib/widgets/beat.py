"""A beat of the plain kind: one control, one picture that the lesson's own callback draws."""

from __future__ import annotations

import base64

import ipywidgets

from course_lib.widgets.base import WidgetError

PNG = b"\x89PNG\r\n\x1a\n"


class Beat:
    """Show a control above a picture; where no kernel runs, the picture as it is now.

    control: a slider, a dropdown, or a box of them; picture: an ipywidgets.Image (PNG) or HTML
    whose value the lesson's `observe` callback sets; call it once before. alt: the sentence for
    those who cannot see it, by default "description: value" of the control.
    Raises WidgetError where there is no picture yet, or no description to speak of.
    >>> slider = ipywidgets.IntSlider(3, description="stride")
    >>> Beat(slider, ipywidgets.HTML("<b>9</b>"))
    Beat: stride: 3
    """

    def __init__(self, control, picture, alt: str | None = None):
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
        self.control, self.picture, self.alt = control, picture, alt
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
        """The live view for a notebook; the picture and its text for all that has no kernel."""
        live = self.box._repr_mimebundle_(**options)
        live = live[0] if isinstance(live, tuple) else live
        data, told = {**live, "text/plain": repr(self)}, self.told()
        if not self.picture.value:
            raise WidgetError(
                "Beat: the picture is empty: call the callback once before Beat(control, picture)."
            )
        if isinstance(self.picture, ipywidgets.HTML):
            return {**data, "text/html": self.picture.value}, {}
        content = bytes(self.picture.value)
        if not content.startswith(PNG):
            raise WidgetError("Beat: the picture's value must be a PNG, as Picture.png() gives it.")
        metadata = {"alt": told}
        if self.picture.width.isdigit():
            metadata["width"] = int(self.picture.width)
        data["image/png"] = base64.b64encode(content).decode("ascii")
        return data, {"image/png": metadata}

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
