"""``python -m ops.catalogue``: write the catalogue's page from its tables."""

from ops.catalogue.page import PAGE, rendered

if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
