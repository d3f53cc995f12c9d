# Words; of a list with commas, for its last part.
# Parameters of a word, as in word:key=value+key=value, stand among the words as word:key=value.
function _lsched_words
    set -l kind $argv[1]
    set -l files $argv[2]
    set -l known_words $argv[3..-1]
    set -l part (commandline -ct | string replace -r -- '^--[^=]*=' '')
    set -l before ''
    if test "$kind" = list; and string match -q -- '*,*' "$part"
        set before (string replace -r -- '[^,]*$' '' "$part")
        set part (string replace -r -- '^.*,' '' "$part")
    end
    if string match -q -- '*:*' "$part"
        set -l name (string replace -r -- ':.*' ':' "$part")
        set -l given (string replace -r -- '[^:+]*$' '' "$part")
        for known in $known_words
            if string match -q -- "$name*" $known
                echo "$before$given"(string replace -- $name '' $known)
            end
        end
        return
    end
    for known in $known_words
        if not string match -q -- '*:*' $known; and not string match -q -- "*,$known,*" ",$before"
            echo $before$known
        end
    end
    if test -n "$files"
        set -l end (string replace -- '*' '' $files)
        for file in $part*
            if test -d $file
                echo $before$file/
            else if string match -q -- "*$end" $file
                echo $before$file
            end
        end
    end
end
# shtab
