# Completion of lvmlockctl for bash. Made by scripts/generate.ts from its option table.
_lvmlockctl() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
    COMPREPLY=()
    if [[ "$previous" == "=" ]]; then previous="${COMP_WORDS[COMP_CWORD-2]}"; fi
    if [[ "$current" == "=" ]]; then current=""; fi
    case "$previous" in
        -k|--kill)
            COMPREPLY=($(compgen -W "$(vgs --noheadings --nolocking --readonly -o vg_name 2>/dev/null | tr -cd 'A-Za-z0-9+_.\n-')" -- "$current"))
            return ;;
        -r|--drop)
            COMPREPLY=($(compgen -W "$(vgs --noheadings --nolocking --readonly -o vg_name 2>/dev/null | tr -cd 'A-Za-z0-9+_.\n-')" -- "$current"))
            return ;;
        -E|--gl-enable)
            COMPREPLY=($(compgen -W "$(vgs --noheadings --nolocking --readonly -o vg_name 2>/dev/null | tr -cd 'A-Za-z0-9+_.\n-')" -- "$current"))
            return ;;
        -D|--gl-disable)
            COMPREPLY=($(compgen -W "$(vgs --noheadings --nolocking --readonly -o vg_name 2>/dev/null | tr -cd 'A-Za-z0-9+_.\n-')" -- "$current"))
            return ;;
        -w|--wait)
            COMPREPLY=($(compgen -W '0 1' -- "$current"))
            return ;;
        -f|--force)
            COMPREPLY=($(compgen -W '0 1' -- "$current"))
            return ;;
        --set-remote-lv-lock)
            COMPREPLY=($(compgen -W "$(vgs --noheadings --nolocking --readonly -o vg_name 2>/dev/null | tr -cd 'A-Za-z0-9+_.\n-')" -- "$current"))
            return ;;
        --lv-uuid)
            COMPREPLY=()
            return ;;
        --lock-mode)
            COMPREPLY=($(compgen -W 'ex sh un' -- "$current"))
            return ;;
        --removekey)
            COMPREPLY=()
            return ;;
        --socket)
            COMPREPLY=($(compgen -f -- "$current"))
            return ;;
        --reportformat)
            COMPREPLY=($(compgen -W 'basic json json_std' -- "$current"))
            return ;;
        --config-dir)
            COMPREPLY=($(compgen -d -- "$current"))
            return ;;
    esac
    if [[ "$current" == -* ]]; then
        COMPREPLY=($(compgen -W '-h --help -V --version -q --quit -i --info -d --dump -k --kill -r --drop -E --gl-enable -D --gl-disable -S --stop-lockspaces -w --wait -f --force -e --stderr --set-remote-lv-lock --lv-uuid --lock-mode --removekey -y --yes --socket --reportformat --config-dir -a --all' -- "$current"))
        return
    fi
    case "$previous" in
        who)
            COMPREPLY=($(compgen -W "$(vgs --noheadings --nolocking --readonly -o vg_name 2>/dev/null | tr -cd 'A-Za-z0-9+_.\n-')" -- "$current"))
            return ;;
        takeover)
            COMPREPLY=($(compgen -W "$(vgs --noheadings --nolocking --readonly -o vg_name 2>/dev/null | tr -cd 'A-Za-z0-9+_.\n-')" -- "$current"))
            return ;;
        config)
            COMPREPLY=($(compgen -W 'get list edit' -- "$current"))
            return ;;
    esac
    if [[ "$COMP_CWORD" == 1 ]]; then COMPREPLY=($(compgen -W 'who takeover config' -- "$current")); fi
}
complete -F _lvmlockctl lvmlockctl
