# Completion of lvmpersist for bash. Made by scripts/generate.ts from its option table.
_lvmpersist() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
    COMPREPLY=()
    if [[ "$previous" == "=" ]]; then previous="${COMP_WORDS[COMP_CWORD-2]}"; fi
    if [[ "$current" == "=" ]]; then current=""; fi
    case "$previous" in
        --device)
            COMPREPLY=($(compgen -f -- "$current"))
            return ;;
        --vg)
            COMPREPLY=($(compgen -W "$(vgs --noheadings --nolocking --readonly -o vg_name 2>/dev/null | tr -cd 'A-Za-z0-9+_.\n-')" -- "$current"))
            return ;;
        --ourkey)
            COMPREPLY=()
            return ;;
        --removekey)
            COMPREPLY=()
            return ;;
        --key)
            COMPREPLY=()
            return ;;
        --access)
            COMPREPLY=($(compgen -W 'ex sh' -- "$current"))
            return ;;
        --prtype)
            COMPREPLY=($(compgen -W 'WE EA WERO EARO WEAR EAAR' -- "$current"))
            return ;;
        --reportformat)
            COMPREPLY=($(compgen -W 'basic table json json_std' -- "$current"))
            return ;;
    esac
    if [[ "$current" == -* ]]; then
        COMPREPLY=($(compgen -W '--device --vg --ourkey --removekey --key --access --prtype --ptpl -y --yes --no-paths -n --dry-run --reportformat --debug -h --help -V --version' -- "$current"))
        return
    fi
    case "$previous" in
    esac
    if [[ "$COMP_CWORD" == 1 ]]; then COMPREPLY=($(compgen -W 'start stop remove clear devtest check-key read-keys read-reservation read help' -- "$current")); fi
}
complete -F _lvmpersist lvmpersist
