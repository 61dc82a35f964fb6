# SPDX-License-Identifier: GPL-2.0-or-later
"""What shells read to complete quicctl's words: each asks the program itself, in the way that typer understands.

Unlike typer's own, the one for zsh works the first time it is loaded, and the one for fish starts the program once.
"""

from __future__ import annotations

import enum


class Shell(enum.StrEnum):
    """Shells that there is a completion for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


FILES = {Shell.BASH: "quicctl", Shell.ZSH: "_quicctl", Shell.FISH: "quicctl.fish"}
"""Names under which each shell looks for it."""

_SCRIPTS = {
    Shell.BASH: r"""# bash completion of quicctl

_quicctl_completion() {
    local IFS=$'\n'
    COMPREPLY=($(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _QUICCTL_COMPLETE=complete_bash "$1" 2>/dev/null))
}

# Where there is nothing to offer, file names are.
complete -o default -F _quicctl_completion quicctl
""",
    Shell.ZSH: r"""#compdef quicctl
# zsh completion of quicctl

_quicctl() {
    eval "$(_TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _QUICCTL_COMPLETE=complete_zsh "${words[1]}" 2>/dev/null)"
}

# Loaded by the completion system it is called at once; read by a user it has to say so.
if [[ "${zsh_eval_context[-1]}" == loadautofunc ]]; then
    _quicctl "$@"
else
    compdef _quicctl quicctl
fi
""",
    Shell.FISH: r"""# fish completion of quicctl

function __quicctl_complete
    set -l found (env _QUICCTL_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
        _TYPER_COMPLETE_ARGS=(commandline -cp) quicctl 2>/dev/null)
    # Where there is nothing to offer, file names are.
    if test -n "$found"
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end

complete --command quicctl --no-files --arguments '(__quicctl_complete)'
""",
}


def script(shell: Shell) -> str:
    """What the shell reads."""
    return _SCRIPTS[shell]
