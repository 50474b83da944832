# Completion of lvmlockd for bash. Made by scripts/generate.ts from its option table.
_lvmlockd() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
    COMPREPLY=()
    if [[ "$previous" == "=" ]]; then previous="${COMP_WORDS[COMP_CWORD-2]}"; fi
    if [[ "$current" == "=" ]]; then current=""; fi
    case "$previous" in
        -p|--pid-file)
            COMPREPLY=($(compgen -f -- "$current"))
            return ;;
        -s|--socket-path)
            COMPREPLY=($(compgen -f -- "$current"))
            return ;;
        --adopt-file)
            COMPREPLY=($(compgen -f -- "$current"))
            return ;;
        -S|--syslog-priority)
            COMPREPLY=($(compgen -W 'emerg alert crit err warning notice info debug' -- "$current"))
            return ;;
        -g|--gl-type)
            COMPREPLY=($(compgen -W 'sanlock dlm idm' -- "$current"))
            return ;;
        -i|--host-id)
            COMPREPLY=()
            return ;;
        -F|--host-id-file)
            COMPREPLY=($(compgen -f -- "$current"))
            return ;;
        -o|--sanlock-timeout)
            COMPREPLY=()
            return ;;
        -A|--adopt)
            COMPREPLY=($(compgen -W '0 1' -- "$current"))
            return ;;
        --lock-manager)
            COMPREPLY=($(compgen -f -- "$current"))
            return ;;
        --config-dir)
            COMPREPLY=($(compgen -d -- "$current"))
            return ;;
        --reportformat)
            COMPREPLY=($(compgen -W 'basic json json_std' -- "$current"))
            return ;;
        --wire-dialect)
            COMPREPLY=($(compgen -W '2.03.40 2.03.16' -- "$current"))
            return ;;
    esac
    if [[ "$current" == -* ]]; then
        COMPREPLY=($(compgen -W '-h --help -V --version -T --test -f --foreground -D --daemon-debug -p --pid-file -s --socket-path --adopt-file -S --syslog-priority -g --gl-type -i --host-id -F --host-id-file -o --sanlock-timeout -A --adopt --lock-manager --config-dir --check-config --reportformat --wire-dialect --welcome' -- "$current"))
        return
    fi
}
complete -F _lvmlockd lvmlockd
