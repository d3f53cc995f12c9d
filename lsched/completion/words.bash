# Words that begin like the one given last; of a list with commas, of its last part.
# Parameters of a word, as in word:key=value+key=value, stand among the words as word:key=value.
_lsched_words() {
    local kind=$1 files=$2 word=${!#} before='' part name given known file
    local known_words=("${@:3:$#-3}")
    part=$word
    if [[ $kind == list && $word == *,* ]]; then
        before=${word%,*},
        part=${word##*,}
    fi
    if [[ $part == *:* ]]; then
        name=${part%%:*}:
        given=${part%"${part##*[:+]}"}
        for known in "${known_words[@]}"; do
            if [[ $known == "$name${part##*[:+]}"* ]]; then
                printf '%s\n' "$before$given${known#"$name"}"
            fi
        done
        return
    fi
    for known in "${known_words[@]}"; do
        if [[ $known == "$part"* && $known != *:* && ,$before != *",$known,"* ]]; then
            printf '%s\n' "$before$known"
        fi
    done
    if [[ -n $files ]]; then
        compgen -d -S / -- "$part" | sed "s|^|${before//[\\|&]/}|"
        compgen -f -X "!$files" -- "$part" | while IFS= read -r file; do
            [[ -d $file ]] || printf '%s\n' "$before$file"
        done
    fi
}
# shtab

# Bash breaks words at : and =, which belong to values here; --option=value is two words.
_lsched() {
    local line=$COMP_LINE at word cut=''
    local -a broken=("${COMP_WORDS[@]}") whole=()
    local cursor=$COMP_CWORD
    local -a COMP_WORDS=()
    local COMP_CWORD
    for at in "${!broken[@]}"; do
        word=${broken[at]}
        if [[ $at == 0 || $line == [[:space:]]* || -z $line ]]; then
            whole+=("$word")
        else
            whole[${#whole[@]}-1]+=$word
        fi
        line=${line#"${line%%[![:space:]]*}"}
        line=${line#"$word"}
        if [[ $at == "$cursor" ]]; then
            break
        fi
    done
    for word in "${whole[@]}"; do
        if [[ $word == --*=* ]]; then
            COMP_WORDS+=("${word%%=*}" "${word#*=}")
        else
            COMP_WORDS+=("$word")
        fi
    done
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    word=${COMP_WORDS[COMP_CWORD]}
    _shtab_lsched
    # Readline replaces what stands behind the last break.
    if [[ $word == *[:=]* && $COMP_WORDBREAKS == *[:=]* ]]; then
        cut=${word%"${word##*[:=]}"}
        COMPREPLY=("${COMPREPLY[@]#"$cut"}")
    fi
    if [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == *[=:/] ]]; then
        compopt -o nospace 2>/dev/null || :
    fi
}
complete -o bashdefault -F _lsched lsched
