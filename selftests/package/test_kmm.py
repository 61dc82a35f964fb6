# SPDX-License-Identifier: GPL-2.0-or-later
"""The Containerfile for Kubernetes nodes: built as the operator builds it, and the module in its image loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import TREE, Handshake, apt

from quicctl import builder, debroot, kernel
from quicctl.packaging import recipe, render, sources

SERIES = "6.12"
BUILDAH = ("buildah", "--root", f"{debroot.SHARE}/storage", "--runroot", f"{debroot.SHARE}/run", "--storage-driver", "vfs")
# The base image is the root itself: no registry is asked.
PACK = "tar -C / --one-file-system $(printf -- '--exclude=./%s/* ' proc sys dev build) -cf base.tar ."


@dataclass(frozen=True, slots=True)
class Image:
    """The image for one kernel: its files, by their paths, and where the machine finds them."""

    release: str
    files: dict[str, Path]


@pytest.fixture(scope="module")
def image(bare: Path, what: recipe.Recipe, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder, release = tmp_path_factory.mktemp("kmm"), kernel.newest(SERIES).release
    render.write(render.folder(TREE), "kmm", what, folder)
    sources.dkms(TREE, what, folder)
    (folder / "Containerfile.base").write_text("FROM scratch\nADD base.tar /\n")
    with debroot.session(bare, folder) as session:
        session.run(["sh", "-euc", PACK])
        apt(session, "update")
        apt(session, "install", "buildah")

        def build(name: str, file: str, **arguments: str) -> None:
            given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
            command = [*BUILDAH, "build", "--isolation", "chroot", "--network", "host", *given, "-t", f"localhost/{name}"]
            session.run([*command, "-f", file, debroot.SHARE])

        build("base", "Containerfile.base")
        build("source", "Containerfile.source")
        build(
            "kmod", "Containerfile", BASE_IMAGE="localhost/base", SOURCE_IMAGE="localhost/source", KERNEL_FULL_VERSION=release
        )
        container = session.run([*BUILDAH, "from", "localhost/kmod"]).stdout.strip()
        mounted = folder / Path(session.run([*BUILDAH, "mount", container]).stdout.strip()).relative_to(debroot.SHARE)
        base = mounted / "opt" / "lib" / "modules"
        yield Image(release, {str(path.relative_to(base)): path for path in base.rglob("*") if path.is_file()})


def test_image_holds_the_module_and_what_it_depends_on(image: Image) -> None:
    lines = image.files[f"{image.release}/modules.dep"].read_text().splitlines()
    [needed] = [line.partition(":")[2].split() for line in lines if line.startswith("quic.ko:")]
    assert any(name.startswith("udp_tunnel.ko") for name in needed)
    assert {f"{image.release}/{name}" for name in needed} <= set(image.files)


def test_module_of_the_image_loads_and_shakes_hands(image: Image, handshake: Handshake) -> None:
    module = image.files[f"{image.release}/quic.ko"].read_bytes()
    assert handshake(kernel.newest(SERIES), module, builder.libquic().folder / "lib")["verified"] is True
