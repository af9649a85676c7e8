"""Write every receipt anew. Read the difference before it is committed."""

from domain.services.catalogue import Language
from tests.rpc.receipts.papers import GOLDEN, RECEIPTS, paper

GOLDEN.mkdir(exist_ok=True)
for name, write in RECEIPTS.items():
    for language in Language:
        text = "\n".join(write(paper(language))) + "\n"
        (GOLDEN / f"{name}.{language.value}.txt").write_text(text, "utf-8")
