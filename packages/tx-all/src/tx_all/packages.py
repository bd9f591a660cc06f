"""The packages whose names this one offers."""

# Written by tools/exports.
PACKAGES = (
    "tx_bert",
    "tx_core",
    "tx_ctrl",
    "tx_data",
    "tx_distilbert",
    "tx_gpt2",
    "tx_openai_gpt",
    "tx_roberta",
    "tx_tokenizers",
    "tx_training",
    "tx_transfo_xl",
    "tx_xlm",
    "tx_xlnet",
)
