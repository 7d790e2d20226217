"""How the page looks: paper, ink and one colour; the fonts are those of the computer it is seen on."""

from pathlib import Path

from gradio import themes

FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
STYLES = Path(__file__).with_name("page.css")
INK = themes.Color(
    c50="#f2f6f6",
    c100="#dfe9e9",
    c200="#bfd4d5",
    c300="#94b7b9",
    c400="#5f9295",
    c500="#377477",
    c600="#245c5f",
    c700="#1e4a4d",
    c800="#1b3d3f",
    c900="#183234",
    c950="#0c1d1e",
    name="ink",
)


def theme() -> themes.Base:
    """A theme that loads nothing from anywhere."""
    return themes.Base(
        primary_hue=INK,
        secondary_hue=INK,
        neutral_hue="stone",
        radius_size="md",
        font=FONT,
        font_mono=MONO,
    ).set(
        body_background_fill="#faf9f6",
        block_background_fill="#ffffff",
        body_text_color_subdued="#57534e",
        block_info_text_color="#57534e",
        block_label_text_color="#44403c",
        block_title_text_color="#292524",
        input_background_fill="#f5f5f4",
        input_border_width="1px",
        input_border_color="#a8a29e",
        block_border_width="1px",
        block_shadow="none",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="#ffffff",
    )
