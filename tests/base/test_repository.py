"""Which repository a folder belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from pagefault.base.repository import find_repository


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "atlas"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    return folder


def add_worktree(repository: Path, name: str, *, pointer: str | None = None) -> Path:
    """A worktree as ``git worktree add`` lays it out."""
    private = repository / ".git" / "worktrees" / name
    private.mkdir(parents=True)
    (private / "HEAD").write_text(f"ref: refs/heads/{name}\n")
    (private / "commondir").write_text("../..\n")
    worktree = repository.parent / name
    worktree.mkdir()
    (worktree / ".git").write_text(f"gitdir: {pointer or private}\n")
    return worktree


def test_a_repository_is_named_by_its_folder_and_known_by_its_git_directory(
    repository: Path,
) -> None:
    found = find_repository(repository)
    assert found is not None
    assert (found.name, found.fingerprint) == ("atlas", str(repository / ".git"))


def test_a_folder_deep_inside_belongs_to_the_repository_around_it(repository: Path) -> None:
    inside = repository / "src" / "deep"
    inside.mkdir(parents=True)
    assert find_repository(inside) == find_repository(repository)


def test_all_worktrees_of_a_repository_share_one_memory(repository: Path) -> None:
    first, second = add_worktree(repository, "fix"), add_worktree(repository, "feature")
    assert find_repository(first) == find_repository(second) == find_repository(repository)


def test_a_worktree_may_point_to_its_repository_by_a_relative_path(repository: Path) -> None:
    worktree = add_worktree(repository, "fix", pointer="../atlas/.git/worktrees/fix")
    assert find_repository(worktree) == find_repository(repository)


def test_a_submodule_is_a_repository_of_its_own(repository: Path) -> None:
    kept = repository / ".git" / "modules" / "lib"
    kept.mkdir(parents=True)
    (kept / "HEAD").write_text("ref: refs/heads/main\n")
    submodule = repository / "lib"
    submodule.mkdir()
    (submodule / ".git").write_text("gitdir: ../.git/modules/lib\n")
    found = find_repository(submodule)
    assert found is not None
    assert (found.name, found.fingerprint) == ("lib", str(kept))


def test_two_repositories_of_one_name_are_told_apart(repository: Path, tmp_path: Path) -> None:
    other = tmp_path.resolve() / "elsewhere" / "atlas"
    (other / ".git").mkdir(parents=True)
    (other / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    first, second = find_repository(repository), find_repository(other)
    assert first is not None
    assert second is not None
    assert first.name == second.name
    assert first.fingerprint != second.fingerprint


def test_a_link_to_a_repository_is_the_repository(repository: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    try:
        link.symlink_to(repository, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    assert find_repository(link) == find_repository(repository)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b"other: /somewhere\n"])
def test_a_git_file_that_points_nowhere_is_no_repository(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".git").write_bytes(content)
    assert find_repository(folder) is None


def test_a_git_folder_without_a_head_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert find_repository(tmp_path) is None


def test_a_folder_outside_of_any_repository_has_none(tmp_path: Path) -> None:
    assert find_repository(tmp_path) is None


def test_a_folder_that_does_not_exist_has_the_repository_it_would_lie_in(repository: Path) -> None:
    assert find_repository(repository / "not" / "yet") == find_repository(repository)
