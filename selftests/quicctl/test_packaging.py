# SPDX-License-Identifier: GPL-2.0-or-later
"""What packages say and hold. Rendered templates are compared with golden/; QUICCTL_GOLDEN=write makes them anew."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Cli

import quicctl
from quicctl import errors, process, sourcetree
from quicctl.cli import share
from quicctl.packaging import build, recipe, render, sources

GOLDEN = Path(__file__).parent / "golden"
TREE = sourcetree.project()
TEMPLATES = render.folder(TREE)
SHARE = (("man/quicctl.1", "page\n"), ("completions/bash/quicctl", "script\n"))
TARGETS = ("ansible", "arch", "deb", "dkms", "kmm", "rpm")

RECIPE = recipe.Recipe(
    module="quic", source="linux-quic", version="9.8.7", revision="6", summary="QUIC as a socket",
    description=("First line,", "second line."), license="GPL-2.0-or-later", library_license="LGPL-2.1-or-later",
    maintainer="A Packager", email="packager@host.example", date=datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC), kernel_min="6.1",
    kernel_options=("CONFIG_INET", "CONFIG_IPV6"), gnutls_min="3.7.0",
    library=recipe.Library("5.4", "1", (("NODE_1", "old_symbol"), ("NODE_2", "new_symbol"), ("NODE_2", "newer_symbol"))),
    python_min="3.11", requirements=(recipe.Requirement("typer", "0.15"), recipe.Requirement("jinja2", "3.1")),
    share=SHARE, source_sha256="0123abcd", registry="registry.host.example/team",
)  # fmt: skip


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(process.which(program) is None, reason=f"{program} is not installed")


# Templates.


def test_every_target_with_templates_is_compared() -> None:
    # tree/ holds a kernel configuration.
    assert set(render.targets(TEMPLATES)) == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_target_is_as_in_golden(target: str) -> None:
    rendered = {str(path): text for path, text in render.render(TEMPLATES, target, RECIPE).items()}
    home = GOLDEN / target
    if os.environ.get("QUICCTL_GOLDEN") == "write":
        shutil.rmtree(home, ignore_errors=True)
        for name, text in rendered.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text)
    assert {str(p.relative_to(home)): p.read_text() for p in home.rglob("*") if p.is_file()} == rendered


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_of_the_tree_is_written_down_in_a_template(target: str) -> None:
    """A fact that the context holds, spelt out in a template, would be missed by the next release."""
    real = recipe.of(TREE)
    for path in (TEMPLATES / target).rglob("*.j2"):
        text = path.read_text()
        for fact in (real.version, real.maintainer, real.email, real.summary, *real.kernel_options):
            assert fact not in text, f"{path}: {fact}"


def test_unknown_name_in_a_template_is_an_error(tmp_path: Path) -> None:
    import jinja2

    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "file.j2").write_text("{{ vesrion }}\n")
    with pytest.raises(jinja2.UndefinedError):
        render.render(tmp_path, "x", RECIPE)


def test_target_without_templates_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(errors.FileUnreadable):
        render.render(tmp_path, "x", RECIPE)


def test_rules_of_debian_are_executable(tmp_path: Path) -> None:
    render.write(TEMPLATES, "deb", RECIPE, tmp_path)
    assert os.access(tmp_path / "debian" / "rules", os.X_OK)
    assert not os.access(tmp_path / "debian" / "control", os.X_OK)


# What the recipe says is what the tree says.


def test_versions_agree_everywhere() -> None:
    version = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]["version"]
    declared = re.search(r'MODULE_VERSION\("([^"]+)"\)', (TREE / "module" / "main.c").read_text())
    assert recipe.of(TREE).version == version == quicctl.__version__
    assert declared is not None
    assert declared[1] == version


def test_exports_are_those_of_the_map() -> None:
    library = recipe.of(TREE).library
    text = (TREE / "libquic" / "libquic.map").read_text()
    assert ("LIBQUIC_1.0", "quic_handshake") in library.exports
    assert ("LIBQUIC_1.1", "quic_tls_step") in library.exports
    assert len(library.exports) == len(re.findall(r"^\tquic_\w+;", text, re.M))


def test_kernel_options_are_those_of_kconfig() -> None:
    options = recipe.of(TREE).kernel_options
    assert options[:2] == ("CONFIG_INET", "CONFIG_IPV6")
    assert "CONFIG_NET_UDP_TUNNEL" in options
    assert "CONFIG_CRYPTO_GCM" in options
    assert not any("IP_QUIC" in option or "KUNIT" in option for option in options)


def test_maintainer_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEBFULLNAME", raising=False)
    monkeypatch.delenv("DEBEMAIL", raising=False)
    assert recipe.of(TREE).maintainer == "QUIC for Linux developers"
    monkeypatch.setenv("DEBFULLNAME", "Someone")
    monkeypatch.setenv("DEBEMAIL", "someone@host.example")
    assert recipe.of(TREE).email == "someone@host.example"
    named = recipe.of(TREE, maintainer="An Other <other@host.example>")
    assert (named.maintainer, named.email) == ("An Other", "other@host.example")


@pytest.mark.parametrize("wrong", ["nobody", "a@b", "Name <nowhere>", "<a@b.example>"])
def test_maintainer_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(errors.BadAddress):
        recipe.of(TREE, maintainer=wrong)


def test_date_is_the_one_of_the_build_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert recipe.of(TREE).date == datetime(1970, 1, 2, tzinfo=UTC)


# Source packages.


def test_tarball_is_the_same_each_time_and_holds_what_builds(tmp_path: Path) -> None:
    first, second = (sources.tarball(TREE, RECIPE, tmp_path / name) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as opened:
        names = set(opened.getnames())
        assert opened.getmember("linux-quic-9.8.7/selftests/guest/session.sh").mode in (0o644, 0o755)
        page = opened.extractfile("linux-quic-9.8.7/share/man/quicctl.1")
        assert page is not None
        assert page.read() == b"page\n"
    for name in ("module/Kbuild", "module/core/conn.c", "libquic/Makefile", "quicctl/__init__.py", "pyproject.toml",
                 "LICENSES/GPL-2.0-or-later.txt", "packaging/dkms/dkms.conf.j2"):  # fmt: skip
        assert f"linux-quic-9.8.7/{name}" in names
    assert not [name for name in names if "/.venv" in name or "/.git/" in name or name.endswith((".o", ".ko", ".pyc", ".so"))]


def test_sources_leave_out_what_was_built(tmp_path: Path) -> None:
    for name in ("module/a.c", "module/a.ko", "libquic/build/x.pc", "libquic/x.so", "quicctl/y.py", "dist/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("LICENSES", "docs", "packaging", "selftests"):
        (tmp_path / name).mkdir()
    top = {"CHANGELOG.md", "Makefile", "README.md", "hatch_build.py", "pyproject.toml"}
    for name in top:
        (tmp_path / name).touch()
    assert dict(sourcetree.whole(tmp_path)) == {name: tmp_path / name for name in {*top, "module/a.c", "quicctl/y.py"}}


def test_dkms_tree_is_the_module_and_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "quic-9.8.7").mkdir()
    (tmp_path / "quic-9.8.7" / "of an older version").touch()
    home = sources.dkms(TREE, RECIPE, tmp_path)
    assert home == tmp_path / "quic-9.8.7"
    assert (home / "core" / "conn.c").read_bytes() == (TREE / "module" / "core" / "conn.c").read_bytes()
    assert not (home / "of an older version").exists()
    # DKMS reads the file as a shell does.
    script = 'kernel_source_dir=/k; . ./dkms.conf; echo "$PACKAGE_NAME $PACKAGE_VERSION ${MAKE[0]}"'
    read = subprocess.run(["bash", "-euc", script], cwd=home, capture_output=True, text=True, check=True)
    assert read.stdout == "quic 9.8.7 make KDIR=/k\n"


def test_debian_source_package_is_laid_out(tmp_path: Path) -> None:
    laid = build.lay_out("deb", TREE, RECIPE, tmp_path)
    assert (tmp_path / "linux-quic_9.8.7.orig.tar.gz").exists()
    assert (tmp_path / "linux-quic-9.8.7" / "debian" / "control").exists()
    assert (tmp_path / "linux-quic-9.8.7" / "module" / "Kbuild").exists()
    with tarfile.open(laid.files[0]) as opened:
        assert not [name for name in opened.getnames() if name.startswith("linux-quic-9.8.7/debian/")]


def test_pkgbuild_bears_the_checksum_of_its_tarball(tmp_path: Path) -> None:
    laid = build.lay_out("arch", TREE, dataclasses.replace(RECIPE, source_sha256="SKIP"), tmp_path)
    assert sources.sha256(laid.files[0]) in (tmp_path / "PKGBUILD").read_text()
    assert laid.files[0].name == "linux-quic-9.8.7.tar.gz"


def test_pages_and_completions_are_those_of_the_commands() -> None:
    date = datetime(2001, 2, 3, tzinfo=UTC)
    made = share.files(date)
    assert {f"man/{name}" for name in share.pages(date)} < set(made)
    assert {"completions/bash/quicctl", "completions/zsh/_quicctl", "completions/fish/quicctl.fish"} < set(made)


@pytest.mark.parametrize("target", ["arch", "deb", "rpm"])
def test_every_package_of_the_tool_installs_pages_and_completions(target: str) -> None:
    text = "\n".join(render.render(TEMPLATES, target, RECIPE).values())
    for part in ("share/man/*", "completions/bash/*", "completions/zsh/*", "completions/fish/*"):
        assert part.removeprefix("share/") in text, part


@needs("bash")
def test_pkgbuild_is_what_makepkg_reads(tmp_path: Path) -> None:
    render.write(TEMPLATES, "arch", RECIPE, tmp_path)
    script = '. ./PKGBUILD; echo "$pkgbase $pkgver-$pkgrel ${pkgname[*]}"; for p in ${pkgname[@]}; do type -t package_$p; done'
    done = subprocess.run(["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["linux-quic 9.8.7-6 quic-dkms libquic quicctl", "function", "function", "function", ""]


# Resources of Kubernetes.


def test_config_map_holds_the_containerfile(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    render.write(TEMPLATES, "kmm", RECIPE, tmp_path)
    held = yaml.safe_load((tmp_path / "configmap.yaml").read_text())
    module = yaml.safe_load((tmp_path / "module.yaml").read_text())
    assert held["data"]["dockerfile"] == (tmp_path / "Containerfile").read_text()
    [mapping] = module["spec"]["moduleLoader"]["container"]["kernelMappings"]
    assert mapping["build"]["dockerfileConfigMap"]["name"] == held["metadata"]["name"]
    assert module["metadata"]["namespace"] == held["metadata"]["namespace"]
    assert re.fullmatch(mapping["regexp"], "6.12.1-amd64")
    kinds = yaml.safe_load((tmp_path / "kustomization.yaml").read_text())["resources"]
    assert all((tmp_path / name).exists() for name in kinds)


def test_module_resource_fits_the_schema(tmp_path: Path) -> None:
    given = os.environ.get("QUICCTL_KMM_CRD")
    if not given:
        pytest.skip("QUICCTL_KMM_CRD names no file with the resource's definition")
    yaml, jsonschema = pytest.importorskip("yaml"), pytest.importorskip("jsonschema")
    definition = yaml.safe_load(Path(given).read_text())
    [version] = [v for v in definition["spec"]["versions"] if v["name"] == "v1beta1"]
    validator = jsonschema.Draft202012Validator(_closed(version["schema"]["openAPIV3Schema"]))
    render.write(TEMPLATES, "kmm", RECIPE, tmp_path)
    module = yaml.safe_load((tmp_path / "module.yaml").read_text())
    assert module["kind"] == definition["spec"]["names"]["kind"]
    assert [e.message for e in validator.iter_errors(module)] == []
    # The schema sees what it should: a resource that lacks or misspells something is refused.
    container = module["spec"]["moduleLoader"]["container"]
    container["modprobe"]["moduelName"] = container["modprobe"].pop("moduleName")
    assert list(validator.iter_errors(module))
    del container["kernelMappings"]
    assert any("kernelMappings" in e.message for e in validator.iter_errors(module))


def _closed(schema: object) -> object:
    """The schema with unknown fields refused, as a server does with strict validation."""
    if isinstance(schema, dict):
        inner = {key: _closed(value) for key, value in schema.items()}
        if "properties" in inner and inner.get("type") == "object" and inner["properties"].keys() != {"metadata"}:
            inner.setdefault("additionalProperties", False)
        return inner
    return [_closed(item) for item in schema] if isinstance(schema, list) else schema


# Ansible.


def test_role_is_yaml_and_names_what_exists(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    render.write(TEMPLATES, "ansible", RECIPE, tmp_path)
    role = tmp_path / "roles" / "quic"
    tasks = {path.name: yaml.safe_load(path.read_text()) for path in (role / "tasks").glob("*.yml")}
    included = {task["ansible.builtin.include_tasks"] for file in tasks.values() for task in file
                if "ansible.builtin.include_tasks" in task}  # fmt: skip
    assert included == set(tasks) - {"main.yml"}
    handlers = {handler["name"] for handler in yaml.safe_load((role / "handlers" / "main.yml").read_text())}
    assert {task["notify"] for file in tasks.values() for task in file if "notify" in task} == handlers
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    used = set(re.findall(r"\bquic_\w+", "".join(path.read_text() for path in role.rglob("*/main.yml"))
                          + (role / "tasks" / "present.yml").read_text()))  # fmt: skip
    assert used - {"quic_loaded"} <= set(defaults)


@needs("ansible-lint")
def test_ansible_lint_accepts_the_role(tmp_path: Path) -> None:
    render.write(TEMPLATES, "ansible", RECIPE, tmp_path)
    assert build.lint("ansible", tmp_path, lambda text: None) == ("ansible-lint",)


# The commands.


@pytest.mark.parametrize(("target", "package"), [("deb", "debhelper"), ("rpm", "rpm"), ("arch", "makepkg")])
def test_tools_that_are_missing_are_named_with_their_package(
    monkeypatch: pytest.MonkeyPatch, target: str, package: str
) -> None:
    monkeypatch.setattr(process, "which", lambda name: None)
    with pytest.raises(errors.PackagesMissing) as caught:
        build.check_tools(target)
    assert package in caught.value.message
    assert "apt-get install" in caught.value.remedy
    assert "--suite" in caught.value.remedy


def test_layout_alone_needs_no_tool(cli: Cli, tmp_path: Path) -> None:
    done = cli("package", "rpm", "--no-build", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    assert str(tmp_path / "out" / "SPECS" / "quic-kmod.spec") in files
    assert all(Path(file).exists() for file in files)


@pytest.mark.parametrize("target", ["deb", "rpm", "arch", "dkms", "kmm", "ansible"])
def test_dry_run_says_what_and_does_nothing(cli: Cli, tmp_path: Path, target: str) -> None:
    done = cli("package", target, "--dry-run", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "out") in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["deb", "rpm", "arch", "dkms", "kmm", "ansible", "tree"])
def test_help_has_an_example(cli: Cli, target: str) -> None:
    done = cli("package", target, "--help")
    assert done.returncode == 0
    assert f"Example: quicctl package {target}" in done.stdout


def test_registry_reaches_the_resource(cli: Cli, tmp_path: Path) -> None:
    assert cli("package", "kmm", "--out", tmp_path / "out", "--registry", "r.host.example/x").returncode == 0
    assert "r.host.example/x/kmod:" in (tmp_path / "out" / "module.yaml").read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="runs as root")
def test_a_root_needs_root(cli: Cli, tmp_path: Path) -> None:
    done = cli("package", "rpm", "--suite", "bookworm", "--out", tmp_path / "out")
    assert done.returncode == 10
    assert "root" in done.stderr
