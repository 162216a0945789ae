"""PDF files: any name can be written, nothing in it is taken for markup, and one that would be too long is refused."""

import io

import pytest
from pypdf import PdfReader

from services.chassis.pdf_file import MAX_ROWS, Column, Sheet, drawn, pdf_response
from services.chassis.refusal import Refused


def sheet(rows: list[tuple[str, str]], *, name: str = "Ada") -> Sheet:
    return Sheet(
        title="Essai",
        facts=[("Nom", name)],
        columns=[Column("Quoi", 2), Column("Combien", 1, number=True)],
        rows=rows,
        total=("Total", str(len(rows))),
        notes=["Fin."],
        empty="Rien.",
        page="Page {number} sur {count}",
    )


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zoë Łukasiewicz", "Zoë Łukasiewicz"),
        ("Nguyễn Gábor Erdős", "Nguyen Gábor Erdos"),
        ("<b>Bob</b> & Cie", "<b>Bob</b> & Cie"),
        ("李小龍", "???"),
        ("deux\nlignes", "deux lignes"),
    ],
)
def test_any_name_can_be_written(name: str, shown: str) -> None:
    assert f"Nom {shown} Quoi" in text_of(drawn(sheet([("une", "1")], name=name)))


def test_a_table_without_rows_says_so() -> None:
    assert text_of(drawn(sheet([]))).startswith("Essai Nom Ada Rien. Fin.")


def test_more_rows_than_anybody_prints_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        pdf_response("trop.pdf", sheet([("une", "1")] * (MAX_ROWS + 1)))
    assert refused.value.code == "too_many_rows"
