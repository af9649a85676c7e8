"""``esep qr``: codes read and made from the command line, with no server anywhere."""

import json
from pathlib import Path
from zlib import crc32

import pytest
from typer.testing import CliRunner

from domain.qr import ExtraField, QrFormat
from ledger.cli.app import app
from tests.domain.qr.sealed import ELQR, HOST, code, elqr, tag

PLAIN = ["qr", "make", "--kind", "static", "--service", "140000"]
PNG = b"\x89PNG\r\n\x1a\n"


def run(*arguments: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, arguments)
    return found.exit_code, found.stdout, found.stderr


def test_a_code_is_shown_as_one_json_object() -> None:
    exit_code, output, _ = run("qr", "decode", elqr(ELQR + tag("54", "12345") + tag("59", "Тоо")))
    shown = json.loads(output)
    assert exit_code == 0
    assert shown["format"] == "elqr"
    assert (shown["amount_tyiyn"], shown["merchant_name"], shown["currency"]) == (12345, "Тоо", "KGS")


def test_a_refusal_says_why_and_where_and_what_to_do() -> None:
    exit_code, output, errors = run("qr", "decode", f"{HOST}#{ELQR}63040000")
    assert (exit_code, output) == (1, "")
    assert "QR_HASH_MISMATCH" in errors
    assert "tag 63" in errors
    assert "Scan the code again" in errors


def test_a_refusal_is_json_for_machines() -> None:
    exit_code, output, _ = run("qr", "decode", "hello", "--json")
    error = json.loads(output)["error"]
    assert exit_code == 1
    assert (error["reason"], error["path"], error["offset"]) == ("QR_NOT_A_CODE", "", 0)


def test_every_option_of_a_national_code_arrives() -> None:
    exit_code, output, _ = run(
        *("qr", "make", "--kind", "dynamic", "--provider", "p2p.elcart.kg", "--service", "01", "--recipient", "9417"),
        *("--transaction", "abc", "--merchant", "m1", "--service-name", "Чай", "--amount", "12345", "--name", "Кафе"),
        *("--mcc", "5812", "--comment", "1+1 %", "--amount-editable", "--recipient-editable"),
        *("--extra", "acc:Счёт:1::11", "--extra", "b:::t:12", "--host", "https://24.example.kg/qr/"),
    )
    made = code(output.strip())
    assert exit_code == 0
    assert output.startswith("https://24.example.kg/qr/#000201")
    assert made.dynamic
    assert (made.amount_tyiyn, made.amount_editable, made.recipient_editable) == (12345, True, True)
    assert (made.provider_id, made.service_code, made.recipient_id) == ("p2p.elcart.kg", "01", "9417")
    assert (made.transaction_id, made.merchant_id, made.service_name) == ("abc", "m1", "Чай")
    assert (made.merchant_name, made.mcc, made.comment) == ("Кафе", "5812", "1+1 %")
    assert made.extra_fields == (
        ExtraField("acc", "Счёт", "1", "", editable=True),
        ExtraField("b", "", "", "t", editable=False),
    )


def test_an_emv_code_is_made_too() -> None:
    exit_code, output, _ = run(
        *("qr", "make", "--format", "emvco", "--kind", "static", "--provider", "p2p.elcart.kg", "--mcc", "5812"),
        *("--name", "Kafe", "--city", "Bishkek", "--amount", "500", "--json"),
    )
    made = code(json.loads(output)["text"])
    assert exit_code == 0
    assert (made.format, made.amount_tyiyn, made.amount_editable) == (QrFormat.EMVCO, 500, False)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--amount", "-1"], "amount_tyiyn"),
        (["--name", "n" * 26], "merchant_name"),
        (["--extra", "a:b"], "extra_fields"),
        (["--host", "x"], "host"),
        (["--kind", "dynamic"], "amount_tyiyn"),
        (["--format", "emvco"], "mcc"),
    ],
)
def test_an_option_that_no_code_can_say_is_named(arguments: list[str], field: str) -> None:
    exit_code, output, errors = run(*PLAIN, *arguments)
    assert (exit_code, output) == (2, "")
    assert f"INVALID_ARGUMENT  {field}: " in errors


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    """Whole as to its checksums, square, and wide enough for a code of 100 characters."""
    file = tmp_path / "code.png"
    exit_code, output, _ = run(*PLAIN, "--name", "Кафе", "--png", str(file))
    picture = file.read_bytes()
    width, height = int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")
    assert exit_code == 0
    assert code(output.strip()).merchant_name == "Кафе"
    assert picture.startswith(PNG)
    assert int.from_bytes(picture[29:33], "big") == crc32(picture[12:29])
    assert width == height >= 8 * 41


def test_a_picture_that_cannot_be_made_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    assert run(*PLAIN, "--png", str(tmp_path / "absent" / "code.png"))[0] == 1
    crowded = [*("--comment", "я" * 99), *(part for key in "abcd" for part in ("--extra", f"{key}:{'я' * 80}:::11"))]
    exit_code, _, errors = run(*PLAIN, *crowded, "--png", str(tmp_path / "code.png"))
    assert exit_code == 1
    assert "QR_PICTURE_FULL" in errors
