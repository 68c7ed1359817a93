"""How the page looks: Gradio's theme in PariVision's colours, the style sheet and the icon."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, fonts, sizes

STYLE = Path(__file__).with_name("style.css")
ICON = Path(__file__).with_name("favicon.svg")

BALL = colors.Color(
    name="ball",
    c50="#fdf4ef",
    c100="#fae3d8",
    c200="#f4c6b1",
    c300="#eca382",
    c400="#e47f54",
    c500="#d2561f",
    c600="#bb4a19",
    c700="#973c16",
    c800="#752f13",
    c900="#562310",
    c950="#36160a",
)


def theme() -> gr.themes.Base:
    """The theme. Its font comes with Gradio: the page loads nothing from other hosts.

    Bold is 700, for Gradio's 600 lacks digits.
    """
    return gr.themes.Base(
        primary_hue=BALL,
        neutral_hue=colors.stone,
        spacing_size=sizes.spacing_md,
        radius_size=sizes.radius_md,
        text_size=sizes.text_md,
        font=(
            fonts.LocalFont("Source Sans Pro", weights=(400, 700)),
            "Segoe UI",
            "Helvetica Neue",
            "Arial",
            "sans-serif",
        ),
    ).set(
        body_background_fill="#faf8f5",
        block_background_fill="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
        block_label_background_fill="transparent",
        block_title_text_weight="700",
        block_title_text_size="*text_sm",
        block_title_text_color="*body_text_color_subdued",
        body_text_color="#1d2433",
        body_text_color_subdued="#5f6675",
        border_color_primary="#e5dfd5",
        input_background_fill="white",
        input_border_width="1px",
        input_shadow="none",
        checkbox_label_background_fill="white",
        checkbox_label_background_fill_dark="#20242d",
        checkbox_label_border_width="1px",
        checkbox_label_border_color="*border_color_primary",
        body_background_fill_dark="#14171d",
        background_fill_secondary_dark="#1b1f27",
        block_background_fill_dark="transparent",
        block_border_width_dark="0px",
        block_title_text_color_dark="*body_text_color_subdued",
        body_text_color_dark="#eceae6",
        body_text_color_subdued_dark="#a0a6b1",
        border_color_primary_dark="#353b47",
        input_background_fill_dark="#20242d",
    )
