"""Where pictures land on the sheet and how large they are."""

import numpy as np
import pytest

from limner.apps.contact_sheet import LINE, MARGIN, PAPER, Tile, contact_sheet


def plain(colour: tuple[int, int, int], height: int = 64, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


RED, BLUE, GREEN = (200, 0, 0), (0, 0, 200), (0, 200, 0)


def test_references_come_first_and_small_pictures_are_doubled() -> None:
    sheet = contact_sheet([Tile(plain(RED, 512, 512), "reference")], [Tile(plain(BLUE), "a"), Tile(plain(GREEN), "b")])
    assert sheet.dtype == np.uint8
    assert sheet.shape == (MARGIN + 128 + LINE + MARGIN, MARGIN + 3 * (128 + MARGIN), 3)
    for column, colour in enumerate([RED, BLUE, GREEN]):
        x = MARGIN + column * (128 + MARGIN)
        cell = sheet[MARGIN : MARGIN + 128, x : x + 128]
        assert (cell == colour).all()
        assert (sheet[: MARGIN + 128, x - 1] == PAPER).all()
        assert (sheet[MARGIN + 128 :, x : x + 128] != PAPER).any()


def test_large_pictures_keep_their_pixels() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 300, 3), dtype=np.uint8)
    sheet = contact_sheet([], [Tile(noise, "")])
    assert np.array_equal(sheet[MARGIN : MARGIN + 256, MARGIN : MARGIN + 300], noise)


def test_enlarging_overshoots_at_edges_as_lanczos_does() -> None:
    step = plain((60, 60, 60))
    step[:, 32:] = 200
    cell = contact_sheet([], [Tile(step, "")])[MARGIN : MARGIN + 128, MARGIN : MARGIN + 128]
    assert cell.min() < 60
    assert cell.max() > 200


def test_a_reference_of_another_shape_is_fitted_not_distorted() -> None:
    sheet = contact_sheet([Tile(plain(RED, 50, 100), "")], [Tile(plain(BLUE), "")])
    rows = (sheet[:, MARGIN + 64] == RED).all(axis=1).nonzero()[0]
    assert (rows[0], rows[-1]) == (MARGIN + 32, MARGIN + 95)


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (5, 1, 5), (6, 2, 5), (11, 3, 5)])
def test_rows(count: int, rows: int, columns: int) -> None:
    sheet = contact_sheet([], [Tile(plain(BLUE), "")] * count)
    assert sheet.shape[:2] == (MARGIN + rows * (128 + LINE + MARGIN), MARGIN + columns * (128 + MARGIN))


def test_a_title_takes_a_line_and_never_runs_over_the_edge() -> None:
    tile = Tile(plain(BLUE), "a caption that is far too long for a small cell " * 3)
    untitled, titled = contact_sheet([], [tile]), contact_sheet([], [tile], title="many words " * 50)
    assert titled.shape[0] == untitled.shape[0] + LINE
    assert (titled[:, -MARGIN:] == PAPER).all()
    assert (titled[: MARGIN + LINE] != PAPER).any()
    assert np.array_equal(titled, contact_sheet([], [tile], title="many words " * 50))


def test_a_sheet_may_have_fewer_columns() -> None:
    tiles = [Tile(np.full((64, 64, 3), 10 * number, np.uint8), str(number)) for number in range(4)]
    wide, narrow = contact_sheet([], tiles), contact_sheet([], tiles, columns=2)
    assert wide.shape[1] > narrow.shape[1]
    assert wide.shape[0] < narrow.shape[0]
