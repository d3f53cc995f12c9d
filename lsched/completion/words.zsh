# Words; of a list with commas, for its last part.
# Parameters of a word, as in word:key=value+key=value, stand among the words as word:key=value.
_lsched_words() {
    local kind=$1 files=$2 name
    shift 2
    if [[ $kind == list ]]; then
        compset -P '*,'
        compset -S ',*'
    fi
    if [[ $PREFIX == *:* ]]; then
        name=${PREFIX%%:*}
        compset -P '*[:+]'
        compadd -S '' -- ${${(M)@:#$name:*}#$name:}
        return
    fi
    if [[ $kind == list ]]; then
        compadd -S , -r $':, \t\n\\-' -- ${@:#*:*}
    else
        compadd -- ${@:#*:*}
    fi
    if [[ -n $files ]]; then
        _files -g $files
    fi
}
# shtab
