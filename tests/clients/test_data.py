"""datasets, pandas, polars and duckdb, unmodified, reading and writing tables on this hub."""

from __future__ import annotations

import pytest

from tests.clients.hfkit import HfClient
from tests.clients.kit import Place

_TABLE = """
import pandas
table = pandas.DataFrame({"id": range(3000), "word": [f"w{n % 7}" for n in range(3000)]})
"""


@pytest.fixture
def ada(place: Place) -> HfClient:
    return HfClient(place, "data", place.fresh(), place.token)


@pytest.fixture
def repo(ada: HfClient) -> str:
    """A private dataset of two shards in each of three formats."""
    name = f"ada/{ada.folder.name}"
    ada.run(
        _TABLE
        + """
half = {"train": table[:2000], "test": table[2000:]}
for split, part in half.items():
    for kind, write in {
        "csv": lambda p, f: p.to_csv(f, index=False),
        "jsonl": lambda p, f: p.to_json(f, orient="records", lines=True),
        "parquet": lambda p, f: p.to_parquet(f, index=False),
    }.items():
        path = pathlib.Path("tree", kind, f"{split}.{kind}")
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part, path)
api.create_repo(repo, repo_type="dataset", private=True)
api.upload_folder(folder_path="tree", repo_id=repo, repo_type="dataset")
""",
        repo=name,
    )
    return name


def test_load_dataset_of_every_format_whole_and_streaming(ada: HfClient, repo: str) -> None:
    ada.run(
        """
        from datasets import load_dataset
        for kind in ("csv", "jsonl", "parquet"):
            whole = load_dataset(repo, data_dir=kind)
            assert {name: part.num_rows for name, part in whole.items()} == {"train": 2000, "test": 1000}
            assert whole["test"][0] == {"id": 2000, "word": "w5"}
            stream = load_dataset(repo, data_dir=kind, split="train", streaming=True)
            assert [row["id"] for row in stream.skip(1990)] == list(range(1990, 2000))
            one = load_dataset(repo, data_files=f"{kind}/test.{kind}", split="train[:5]")
            assert one["id"] == [2000, 2001, 2002, 2003, 2004]
        """,
        repo=repo,
    )


def test_configurations_of_a_card_and_revisions(ada: HfClient, repo: str) -> None:
    ada.run(
        """
        from datasets import get_dataset_config_names, get_dataset_split_names, load_dataset
        card = '''---
        configs:
        - config_name: rows
          default: true
          data_files:
          - split: train
            path: csv/train.csv
        - config_name: columns
          data_dir: csv
        ---
        '''
        first = api.repo_info(repo, repo_type="dataset").sha
        api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repo,
                        repo_type="dataset")
        assert get_dataset_config_names(repo) == ["rows", "columns"]
        assert get_dataset_split_names(repo, "columns") == ["train", "test"]
        assert load_dataset(repo)["train"].num_rows == 2000
        assert load_dataset(repo, "columns", split="test").num_rows == 1000
        old = load_dataset(repo, revision=first, data_dir="jsonl", split="test")
        assert old.num_rows == 1000
        """,
        repo=repo,
    )


def test_push_to_hub_and_back(ada: HfClient, repo: str) -> None:
    ada.run(
        """
        from datasets import Dataset, DatasetDict, load_dataset
        made = Dataset.from_dict({"x": list(range(500)), "text": [f"row {n}" for n in range(500)]})
        made.push_to_hub(repo + "-pushed", private=True)
        DatasetDict(train=made, test=made.select(range(10))).push_to_hub(repo + "-pushed", "other")
        back = load_dataset(repo + "-pushed", split="train")
        assert back["text"][499] == "row 499" and back.features == made.features
        assert load_dataset(repo + "-pushed", "other", split="test").num_rows == 10
        assert api.dataset_info(repo + "-pushed").private
        made.select(range(3)).push_to_hub(repo + "-pushed")
        assert load_dataset(repo + "-pushed", split="train").num_rows == 3
        """,
        repo=repo,
    )


def test_pandas_polars_and_duckdb_read_and_write_hf_addresses(ada: HfClient, repo: str) -> None:
    ada.run(
        """
        import duckdb, pandas, polars
        root = f"hf://datasets/{repo}"
        assert len(pandas.read_csv(f"{root}/csv/train.csv")) == 2000
        assert pandas.read_json(f"{root}/jsonl/test.jsonl", lines=True)["id"].sum() == 2499500
        assert pandas.read_parquet(f"{root}/parquet/test.parquet", columns=["word"]).shape == (1000, 1)
        pandas.DataFrame({"a": [1, 2]}).to_parquet(f"{root}/made/a.parquet")
        assert pandas.read_parquet(f"{root}@main/made/a.parquet")["a"].tolist() == [1, 2]
        fs = HfFileSystem()
        with fs.open(f"datasets/{repo}/parquet/train.parquet") as f:
            assert polars.read_parquet(f)["id"].sum() == 1999000
        assert polars.read_csv(fs.open(f"datasets/{repo}/csv/test.csv")).height == 1000
        duckdb.register_filesystem(fs)
        ask = lambda sql: duckdb.sql(sql).fetchall()
        assert ask(f"SELECT count(*), sum(id) FROM '{root}/parquet/*.parquet'") == [(3000, 4498500)]
        assert ask(f"SELECT max(id) FROM read_csv('{root}/csv/*.csv') WHERE word = 'w0'") == [(2996,)]
        assert ask(f"SELECT count(*) FROM read_json('{root}/jsonl/train.jsonl')") == [(2000,)]
        """,
        repo=repo,
    )


def test_strangers_load_nothing(place: Place, repo: str) -> None:
    nobody = HfClient(place, "data", place.fresh(), "")
    nobody.run(
        """
        import pandas
        from datasets import load_dataset
        from datasets.exceptions import DatasetNotFoundError
        refused(DatasetNotFoundError, lambda: load_dataset(repo))
        refused(Exception, lambda: pandas.read_csv(f"hf://datasets/{repo}/csv/train.csv"))
        """,
        repo=repo,
    )
