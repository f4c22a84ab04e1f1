# SPDX-License-Identifier: MIT
# Completion for bash: options as `tether COMMAND --help` lists them.
_tether()
{
    local word="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}" i
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W \
            "run gate config diff merge stress doctor --help --version" -- "$word"))
        return
    fi
    for ((i = 2; i < COMP_CWORD; i++)); do
        # What follows a program, or --, is the program's.
        case "${COMP_WORDS[i]}" in
        -- | [!-]*)
            case "$command" in
            run | gate) compopt -o default; return ;;
            esac ;;
        esac
    done
    case "$word" in
    -*)
        COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "$command" --help \
            2>/dev/null | grep -oE -- '--[a-z]+[a-z-]*=?')" -- "$word"))
        [[ "${COMPREPLY[0]-}" == *= ]] && compopt -o nospace ;;
    *)
        compopt -o default ;;
    esac
}
complete -F _tether tether
