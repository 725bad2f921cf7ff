"""transformers, unmodified, with a model small enough for a test, made here and kept on this hub."""

from __future__ import annotations

import pytest

from tests.clients.hfkit import HfClient
from tests.clients.kit import Place

pytestmark = [pytest.mark.ml, pytest.mark.soak]

_TOKENIZER = """
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoTokenizer, BertConfig, PreTrainedTokenizerFast
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world"]
plain = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
plain.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=plain, unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]"
)
config = BertConfig(
    vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=32, max_position_embeddings=20,
)
"""


@pytest.fixture
def ada(place: Place) -> HfClient:
    client = HfClient(place, "ml", place.fresh(), place.token)
    # More shards than one, so that the index is used.
    client.extra = {"TOKENIZERS_PARALLELISM": "false"}
    return client


def test_configuration_and_tokenizer_go_and_come(place: Place, ada: HfClient) -> None:
    repo = f"ada/{ada.folder.name}"
    ada.run(
        _TOKENIZER
        + """
config.push_to_hub(repo, private=True)
tokenizer.push_to_hub(repo)
assert api.model_info(repo).private
again = AutoConfig.from_pretrained(repo)
assert again.hidden_size == 16 and again.model_type == "bert"
assert AutoTokenizer.from_pretrained(repo)("hello world")["input_ids"] == [5, 6]
sha = api.model_info(repo).sha
assert AutoConfig.from_pretrained(repo, revision=sha).vocab_size == 7
""",
        repo=repo,
    )
    nobody = HfClient(place, "ml", place.fresh(), "")
    nobody.run(
        """
        from transformers import AutoConfig
        error = refused(OSError, lambda: AutoConfig.from_pretrained(repo))
        assert "not a valid model identifier" in str(error), error
        """,
        repo=repo,
    )


def test_a_model_goes_and_comes(ada: HfClient) -> None:
    _require_torch(ada)
    repo = f"ada/{ada.folder.name}"
    ada.run(
        _TOKENIZER
        + """
import torch
from transformers import AutoModel, AutoModelForMaskedLM, pipeline
torch.manual_seed(1)
model = AutoModelForMaskedLM.from_config(config)
model.push_to_hub(repo, max_shard_size="5KB")
tokenizer.push_to_hub(repo)
names = api.list_repo_files(repo)
assert "model.safetensors.index.json" in names, names
again = AutoModelForMaskedLM.from_pretrained(repo)
for name, value in model.state_dict().items():
    assert torch.equal(value, again.state_dict()[name]), name
assert AutoModel.from_pretrained(repo).config.num_hidden_layers == 2
filled = pipeline("fill-mask", model=repo)("hello [MASK]")
assert len(filled) == 5
with torch.no_grad():
    model.bert.embeddings.word_embeddings.weight.add_(1)
model.push_to_hub(repo, max_shard_size="5KB", commit_message="Second", revision="main")
second = AutoModelForMaskedLM.from_pretrained(repo)
assert not torch.equal(
    second.bert.embeddings.word_embeddings.weight, again.bert.embeddings.word_embeddings.weight
)
assert api.list_repo_commits(repo)[0].title == "Second"
pull = model.push_to_hub(repo, create_pr=True)
assert [d.is_pull_request for d in api.get_repo_discussions(repo)] == [True]
""",
        repo=repo,
    )


def _require_torch(ada: HfClient) -> None:
    try:
        ada.run("import torch")
    except AssertionError:
        pytest.skip("the registry has no PyTorch for processors alone; see tests/clients/fetch.sh")
