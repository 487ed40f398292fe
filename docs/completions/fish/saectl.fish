function __saectl_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __saectl_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __saectl_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __saectl_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __saectl_parse_tokens -S
    set -l unparsed_tokens (__saectl_tokens -pc)
    switch $unparsed_tokens[1]
    case 'saectl'
        __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'version' 'h/help'
        switch $unparsed_tokens[1]
        case 'status'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'version' 'h/help'
        case 'top'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'interval=' 'once' 'version' 'h/help'
        case 'wait'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'timeout=' 'controls' 'version' 'h/help'
        case 'watch'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'version' 'h/help'
        case 'tail'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'n/number=' 'f/follow' 'no-follow' 'failed' 'view=' 'version' 'h/help'
        case 'failures'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'limit=' 'offset=' 'version' 'h/help'
        case 'doctor'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'version' 'h/help'
        case 'version'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'version' 'h/help'
        case 'add'
            __saectl_parse_subcommand -r 1 'socket=' 'root=' 'json' 'label=' 'dataset=' 'wait' 'version' 'h/help'
        case 'images'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'view=' 'latent=' 'by=' 'label=' 'disagree=' 'dataset=' 'limit=' 'offset=' 'version' 'h/help'
        case 'export'
            __saectl_parse_subcommand -r 1 'socket=' 'root=' 'json' 'view=' 'all' 'activations' 'logits' 'o/output=' 'version' 'h/help'
        case 'rm'
            __saectl_parse_subcommand -r 1 'socket=' 'root=' 'json' 'version' 'h/help'
        case 'gc'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'inactive-views' 'version' 'h/help'
        case 'verify'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'view=' 'version' 'h/help'
        case 'show'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'view=' 'patch=' 'top=' 'by=' 'max-frequency=' 'version' 'h/help'
        case 'latents'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'view=' 'sort=' 'reverse' 'min-frequency=' 'max-frequency=' 'kind=' 'limit=' 'offset=' 'version' 'h/help'
        case 'latent'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'view=' 'top=' 'by=' 'version' 'h/help'
        case 'heatmap'
            __saectl_parse_subcommand 2 'socket=' 'root=' 'json' 'view=' 'o/output=' 'picture=' 'style=' 'version' 'h/help'
        case 'sheet'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'view=' 'o/output=' 'picture=' 'top=' 'columns=' 'by=' 'style=' 'version' 'h/help'
        case 'find'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'view=' 'top=' 'version' 'h/help'
        case 'name'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'view=' 'all' 'words=' 'top=' 'version' 'h/help'
        case 'similar'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'view=' 'limit=' 'version' 'h/help'
        case 'atlas'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'o/output=' 'images=' 'version' 'h/help'
        case 'classify'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'view=' 'top=' 'version' 'h/help'
        case 'compare'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'image=' 'class=' 'dataset=' 'k=' 'top=' 'as-published' 'version' 'h/help'
        case 'remap'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'class=' 'dataset=' 'k=' 'top=' 'seed=' 'rounds=' 'no-ablation' 'control=' 'as-published' 'version' 'h/help'
        case 'ablate'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'view=' 'class=' 'dataset=' 'top=' 'by=' 'error-term' 'as-published' 'seed=' 'rows=' 'version' 'h/help'
        case 'explain'
            __saectl_parse_subcommand 2 'socket=' 'root=' 'json' 'top=' 'class=' 'against=' 'error-term' 'seed=' 'o/output=' 'picture=' 'version' 'h/help'
        case 'steer'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'view=' 'latent=+' 'scale=+' 'to=+' 'error-term' 'top=' 'seed=' 'version' 'h/help'
        case 'report'
            __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'o/output=' 'dataset=' 'latents=' 'images=' 'seed=' 'control=' 'no-ablation' 'version' 'h/help'
        case 'views'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'version' 'h/help'
        case 'models'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'version' 'h/help'
        case 'model'
            __saectl_parse_subcommand 0 'version' 'h/help'
            switch $unparsed_tokens[1]
            case 'add'
                __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'name=' 'version' 'h/help'
            end
        case 'saes'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'model=' 'version' 'h/help'
        case 'sae'
            __saectl_parse_subcommand 0 'version' 'h/help'
            switch $unparsed_tokens[1]
            case 'add'
                __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'model=' 'hook=' 'name=' 'version' 'h/help'
            case 'random'
                __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'like=' 'model=' 'seed=' 'version' 'h/help'
            end
        case 'adapters'
            __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'model=' 'version' 'h/help'
        case 'adapter'
            __saectl_parse_subcommand 0 'version' 'h/help'
            switch $unparsed_tokens[1]
            case 'add'
                __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'model=' 'name=' 'class-position=' 'version' 'h/help'
            case 'activate'
                __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'model=' 'version' 'h/help'
            case 'deactivate'
                __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'model=' 'version' 'h/help'
            case 'rm'
                __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'model=' 'version' 'h/help'
            case 'export'
                __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'model=' 'o/output=' 'version' 'h/help'
            end
        case 'classes'
            __saectl_parse_subcommand 0 'version' 'h/help'
            switch $unparsed_tokens[1]
            case 'list'
                __saectl_parse_subcommand 0 'socket=' 'root=' 'json' 'model=' 'version' 'h/help'
            case 'set'
                __saectl_parse_subcommand 1 'socket=' 'root=' 'json' 'model=' 'templates=' 'version' 'h/help'
            end
        case 'help'
            __saectl_parse_subcommand -r 1 'version'
        end
    end
end

function __saectl_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __saectl_parse_subcommand -S -a positional_count
    argparse -s r -- $argv
    set -l option_specs $argv[2..]
    set -l is_repeating_positional $_flag_r
    set -el _flag_r
    set -a commands $unparsed_tokens[1]
    set positional_index 0
    while true
        set -e unparsed_tokens[1]
        argparse -sn "$commands" $option_specs -- $unparsed_tokens 2> /dev/null
        set unparsed_tokens $argv
        set positional_index (math $positional_index + 1)
        for non_repeating_flag_or_option in $non_repeating_flags_or_options
            if set -ql "_flag_$(string replace -a - _ -- $non_repeating_flag_or_option)"
                set non_repeating_flags_or_options_absent 1
                break
            end
        end
        test (count $unparsed_tokens) -eq 0 -o \( -z "$is_repeating_positional" -a "$positional_index" -gt "$positional_count" \) && break
    end
end

function __saectl_complete_directories
    set -l token (commandline -t)
    string match -- '*/' $token
    set -l subdirs $token*/
    printf %s\n $subdirs
end

function __saectl_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__saectl_tokens -p)
    if test -z "$(__saectl_tokens -t)"
        set -l index (count (__saectl_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens 2>/dev/null
end

complete -c 'saectl' -f
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'status' -d 'What the daemon has and does.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'top' -d 'Queue, rates, memory, views and the last images on one screen, as they change.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'wait' -d 'Wait until nothing is queued, back-fills included.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'watch' -d 'Print events as they happen, until interrupted.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'tail' -d 'The last images and failures, a line each, and then what happens, until interrupted.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'failures' -d 'Files that could not be used, and why, the latest first.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'doctor' -d 'Look for what commonly goes wrong, and say how to mend it.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'version' -d 'Versions of saectl, the daemon and what it stands on.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'add' -d 'Put images into the drop folder.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'images' -d 'List images: all, of a label, those on which a latent is active, or those answered differently.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'export' -d 'Write latents of images to a numpy .npz file.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'rm' -d 'Remove images: their files in the drop folder, and their snapshots in every view.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'gc' -d 'Free what nothing shows any more: snapshots of images whose files are gone.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'verify' -d 'Check everything that is kept: every checksum, every count.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'show' -d 'One image: its classes and its strongest latents, or those of one patch.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'latents' -d 'List latents with their statistics over all images.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'latent' -d 'One latent: statistics by token kind, its labels, its top images with the patch where each peaks.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'heatmap' -d 'Draw where a latent is active in an image.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'sheet' -d 'Draw a latent\'s top images on one sheet, each with its heat map.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'find' -d 'Latents and images that fit words, by the model\'s own text tower.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'name' -d 'Words for a latent, or for all, by the model\'s own text tower.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'similar' -d 'Images, or patches, that share the most concepts with one.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'atlas' -d 'Every latent of a view that is ever active, on one page to search and sort.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'classify' -d 'One image\'s classes, or the accuracy on a data set.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'compare' -d 'What changed between two views: overlap of the top latents, latents gained and lost.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'remap' -d 'Which latents an adaptation gave to which classes, and what of its gain rests on them.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'ablate' -d 'Accuracy with only a class\'s top latents, and without them.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'explain' -d 'Why an image\'s answer changed between two views: the latents and patches that moved it.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'steer' -d 'Suppress or boost latents of one image and see the answers move.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'report' -d 'What an adaptation changed, on one page that needs no network.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'views' -d 'List views: model, adapter and SAE together.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'models' -d 'List models.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'model' -d 'Add a model.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'saes' -d 'List SAEs.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'sae' -d 'Add an SAE, or make a control.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'adapters' -d 'List adapters: prompts, LoRA, fine-tuned towers, and the base itself.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'adapter' -d 'Add, activate, deactivate, remove or export an adapter.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'classes' -d 'Print a model\'s class names and templates, or set them.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl" -eq 1' -fa 'help' -d 'Show subcommand help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl status" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl status" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl status" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl status" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl status" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl top" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl top" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl top" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl top" interval' -l 'interval' -d 'Look at the daemon so often (0.1 to 3600).' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl top" once' -l 'once' -d 'Print it once; --json does so too.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl top" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl top" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl wait" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl wait" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl wait" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl wait" timeout' -l 'timeout' -d 'Give up after this many seconds.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl wait" controls' -l 'controls' -d 'Also until the controls are there that saed makes by itself.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl wait" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl wait" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl watch" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl watch" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl watch" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl watch" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl watch" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl tail" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl tail" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl tail" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl tail" n number' -l 'number' -s 'n' -d 'Begin with so many of the past.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl tail" f follow' -l 'follow' -s 'f' -d 'Go on with what happens, or end after what is over.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl tail" no-follow' -l 'no-follow' -d 'Go on with what happens, or end after what is over.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl tail" failed' -l 'failed' -d 'Only files that could not be used.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl tail" view' -l 'view' -d 'Only what is committed under this view: MODEL/ADAPTER/SAE, or ADAPTER alone.' -rfka '(__saectl_custom_completion ---completion tail -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl tail" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl tail" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl failures" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl failures" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl failures" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl failures" limit' -l 'limit' -d 'At most this many.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl failures" offset' -l 'offset' -d 'Leave out this many at the beginning.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl failures" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl failures" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl doctor" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl doctor" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl doctor" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl doctor" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl doctor" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl version" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl version" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl version" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl version" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl version" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl add" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl add" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl add" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl add" -ge 1' -F
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl add" label' -l 'label' -d 'The images\' label: the class folder that they go to.' -rfka '(__saectl_custom_completion ---completion add -- --label (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl add" dataset' -l 'dataset' -d 'The data set that they belong to.' -rfka '(__saectl_custom_completion ---completion add -- --dataset (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl add" wait' -l 'wait' -d 'Follow them until they are done; exit with 1 if one failed.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl add" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl add" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion images -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" latent' -l 'latent' -d 'Only images on which this latent is active, the strongest first.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" by' -l 'by' -d 'With --latent: rank by the mean over the patches or by the peak patch.' -rfka 'mean peak'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" label' -l 'label' -d 'Only images with this label.' -rfka '(__saectl_custom_completion ---completion images -- --label (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" disagree' -l 'disagree' -d 'Only images whose answer differs between two views, with both answers.' -rfka '(__saectl_custom_completion ---completion images -- --disagree (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" dataset' -l 'dataset' -d 'With --disagree: only images of this data set.' -rfka '(__saectl_custom_completion ---completion images -- --dataset (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" limit' -l 'limit' -d 'At most this many.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" offset' -l 'offset' -d 'Leave out this many at the beginning.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl images" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl export" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl export" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl export" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl export" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion export -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl export" -ge 1' -fka '(__saectl_custom_completion ---completion export -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl export" all' -l 'all' -d 'Every image of the view.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl export" activations' -l 'activations' -d 'Also the activations at the hook point, f32.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl export" logits' -l 'logits' -d 'Also the classifier\'s logits, f32.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl export" o output' -l 'output' -s 'o' -d 'The .npz to write.' -rfa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'npz\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl export" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl export" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl rm" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl rm" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl rm" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl rm" -ge 1' -fka '(__saectl_custom_completion ---completion rm -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl rm" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl rm" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl gc" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl gc" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl gc" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl gc" inactive-views' -l 'inactive-views' -d 'Also the snapshots of views that are not active: of adapters, SAEs and models that were deactivated or whose files are gone.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl gc" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl gc" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl verify" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl verify" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl verify" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl verify" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion verify -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl verify" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl verify" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl show" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl show" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl show" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl show" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion show -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl show" -eq 1' -fka '(__saectl_custom_completion ---completion show -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl show" patch' -l 'patch' -d 'Also the latents of this patch, counted from 0,0 at the top left.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl show" top' -l 'top' -d 'So many latents and classes.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl show" by' -l 'by' -d 'Rank the image\'s latents by the mean over the patches or by the peak patch.' -rfka 'mean peak'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl show" max-frequency' -l 'max-frequency' -d 'Leave out latents active on a larger share of images (0 to 1).' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl show" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl show" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion latents -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" sort' -l 'sort' -d 'The order.' -rfka 'frequency mean peak entropy latent'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" reverse' -l 'reverse' -d 'The other way round.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" min-frequency' -l 'min-frequency' -d 'Only latents active on at least this share of images (0 to 1).' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" max-frequency' -l 'max-frequency' -d 'Only latents active on at most this share of images (0 to 1).' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" kind' -l 'kind' -d 'Frequencies and peaks over tokens of this kind instead of images.' -rfka 'class patch prompt'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" limit' -l 'limit' -d 'At most this many.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" offset' -l 'offset' -d 'Leave out this many at the beginning.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latents" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latent" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latent" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latent" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latent" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion latent -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latent" top' -l 'top' -d 'So many top images, at most 256.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latent" by' -l 'by' -d 'Rank images by the mean over the patches or by the peak patch.' -rfka 'mean peak'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latent" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl latent" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl heatmap" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl heatmap" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl heatmap" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl heatmap" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion heatmap -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl heatmap" -eq 1' -fka '(__saectl_custom_completion ---completion heatmap -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl heatmap" o output' -l 'output' -s 'o' -d 'The PNG to write; - is standard output (default: a file in the temporary folder).' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl heatmap" picture' -l 'picture' -d 'Show the picture in the terminal too: by kitty\'s, iTerm2\'s or the sixel protocol, or never; auto (default, or $SAED_PICTURE) finds out what it can.' -rfka 'auto kitty iterm2 sixel never'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl heatmap" style' -l 'style' -d 'smooth, or grid: one flat cell a patch.' -rfka 'smooth grid'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl heatmap" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl heatmap" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion sheet -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" o output' -l 'output' -s 'o' -d 'The PNG to write; - is standard output (default: a file in the temporary folder).' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" picture' -l 'picture' -d 'Show the picture in the terminal too: by kitty\'s, iTerm2\'s or the sixel protocol, or never; auto (default, or $SAED_PICTURE) finds out what it can.' -rfka 'auto kitty iterm2 sixel never'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" top' -l 'top' -d 'So many images, at most 256.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" columns' -l 'columns' -d 'Columns; 0: as near a square as fits.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" by' -l 'by' -d 'Rank images by the mean over the patches or by the peak patch.' -rfka 'mean peak'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" style' -l 'style' -d 'smooth, or grid: one flat cell a patch.' -rfka 'smooth grid'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sheet" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl find" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl find" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl find" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl find" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion find -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl find" top' -l 'top' -d 'So many latents and images.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl find" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl find" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl name" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl name" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl name" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl name" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion name -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl name" all' -l 'all' -d 'Every latent.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl name" words' -l 'words' -d 'A text file of words instead of the list that ships.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl name" top' -l 'top' -d 'So many candidates for each.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl name" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl name" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl similar" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl similar" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl similar" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl similar" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion similar -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl similar" -eq 1' -fka '(__saectl_custom_completion ---completion similar -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl similar" limit' -l 'limit' -d 'At most this many.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl similar" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl similar" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl atlas" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl atlas" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl atlas" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl atlas" -eq 1' -fka '(__saectl_custom_completion ---completion atlas -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl atlas" o output' -l 'output' -s 'o' -d 'The HTML to write; - is standard output.' -rfa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'html\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl atlas" images' -l 'images' -d 'So many top images of a latent.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl atlas" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl atlas" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classify" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classify" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classify" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classify" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion classify -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl classify" -eq 1' -fka '(__saectl_custom_completion ---completion classify -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classify" top' -l 'top' -d 'So many classes of an image, or rows of each table; --json always has every class of a data set.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classify" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classify" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl compare" -eq 1' -fka '(__saectl_custom_completion ---completion compare -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" image' -l 'image' -d 'Only this image: a path, a file name where unique, or the beginning of an id.' -rfka '(__saectl_custom_completion ---completion compare -- --image (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" class label' -l 'class' -l 'label' -d 'Only images with this label.' -rfka '(__saectl_custom_completion ---completion compare -- --class (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" dataset' -l 'dataset' -d 'Only images of this data set.' -rfka '(__saectl_custom_completion ---completion compare -- --dataset (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" k' -l 'k' -d 'How many of the top latents the overlap is taken of (default: 1,2,5,10,20,50,100,200,500).' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" top' -l 'top' -d 'So many latents in each list.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" as-published' -l 'as-published' -d 'The paper\'s definitions instead: tokens of all kinds.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl compare" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl remap" -eq 1' -fka '(__saectl_custom_completion ---completion remap -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" class label' -l 'class' -l 'label' -d 'Only images with this label.' -rfka '(__saectl_custom_completion ---completion remap -- --class (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" dataset' -l 'dataset' -d 'Only images of this data set.' -rfka '(__saectl_custom_completion ---completion remap -- --dataset (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" k' -l 'k' -d 'Latents that count as a class\'s own (default: 50, of a small dictionary a quarter).' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" top' -l 'top' -d 'So many rows in each table, and moves of a class; --json always has every class.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" seed' -l 'seed' -d 'Of the bootstrap, the shuffled labels and the random latents.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" rounds' -l 'rounds' -d 'Rounds of the bootstrap.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" no-ablation' -l 'no-ablation' -d 'Leave out what the gain rests on, the only part that runs the model.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" control' -l 'control' -d 'The SAE of random directions that is the control (default: one made like the views\' SAE, else the automatic one).' -rfka '(__saectl_custom_completion ---completion remap -- --control (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" as-published' -l 'as-published' -d 'The paper\'s definitions instead: tokens of all kinds.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl remap" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion ablate -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" class label' -l 'class' -l 'label' -d 'Only images with this label.' -rfka '(__saectl_custom_completion ---completion ablate -- --class (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" dataset' -l 'dataset' -d 'Only images of this data set.' -rfka '(__saectl_custom_completion ---completion ablate -- --dataset (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" top' -l 'top' -d 'Latents, or `all` (default, as published: 1,2,5,10,50,100,500,1000,2000,all).' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" by' -l 'by' -d 'The order of a class\'s latents, on its images.' -rfka 'class-count mean peak frequency random'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" error-term' -l 'error-term' -d 'Keep what the SAE does not reconstruct.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" as-published' -l 'as-published' -d 'As the published code.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" seed' -l 'seed' -d 'Of the random latents.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" rows' -l 'rows' -d 'Rows of the table of classes; --json always has every class.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl ablate" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl explain" -eq 1' -fka '(__saectl_custom_completion ---completion explain -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl explain" -eq 2' -fka '(__saectl_custom_completion ---completion explain -- positional@1 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" top' -l 'top' -d 'So many latents.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" class' -l 'class' -d 'The margin\'s class (default: the second view\'s answer).' -rfka '(__saectl_custom_completion ---completion explain -- --class (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" against' -l 'against' -d 'The class that it is measured against (default: the first view\'s answer, or its next).' -rfka '(__saectl_custom_completion ---completion explain -- --against (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" error-term' -l 'error-term' -d 'Keep what the SAE does not reconstruct; activations that were not kept are computed again.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" seed' -l 'seed' -d 'Of the random latents.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" o output' -l 'output' -s 'o' -d 'A PNG to write: the image, and where the latents moved the margin; - is standard output.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" picture' -l 'picture' -d 'Show the picture in the terminal too: by kitty\'s, iTerm2\'s or the sixel protocol, or never; auto (default, or $SAED_PICTURE) finds out what it can.' -rfka 'auto kitty iterm2 sixel never'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl explain" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer" view' -l 'view' -d 'MODEL/ADAPTER/SAE, or ADAPTER alone; an empty part stands for the only one there is, an empty adapter for the base.' -rfka '(__saectl_custom_completion ---completion steer -- --view (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl steer" -eq 1' -fka '(__saectl_custom_completion ---completion steer -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer"' -l 'latent' -d 'A latent to change; may be repeated.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer"' -l 'scale' -d 'Its values times this; 0 takes it away, 1 changes nothing.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer"' -l 'to' -d 'Its values are this, also where it is not active.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer" error-term' -l 'error-term' -d 'Keep what the SAE does not reconstruct; activations that were not kept are computed again.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer" top' -l 'top' -d 'So many classes.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer" seed' -l 'seed' -d 'Of the random latents.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl steer" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl report" -eq 1' -fka '(__saectl_custom_completion ---completion report -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" o output' -l 'output' -s 'o' -d 'The HTML to write; - is standard output.' -rfa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'html\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" dataset' -l 'dataset' -d 'Only images of this data set.' -rfka '(__saectl_custom_completion ---completion report -- --dataset (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" latents' -l 'latents' -d 'So many latents with their top images.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" images' -l 'images' -d 'So many images in the patch viewer.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" seed' -l 'seed' -d 'Of the bootstrap, the shuffled labels and the random latents.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" control' -l 'control' -d 'The SAE of random directions that is the control (default: one made like the views\' SAE, else the automatic one).' -rfka '(__saectl_custom_completion ---completion report -- --control (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" no-ablation' -l 'no-ablation' -d 'Leave out what the gain rests on, the part that runs the model most.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl report" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl views" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl views" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl views" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl views" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl views" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl models" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl models" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl models" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl models" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl models" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl model" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl model" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl model" -eq 1' -fa 'add' -d 'Add a CLIP model in Hugging Face layout; images in the store are encoded with it once an SAE fits it.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl model add" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl model add" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl model add" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl model add" -eq 1' -fa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl model add" name' -l 'name' -d 'Its name in views.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl model add" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl model add" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl saes" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl saes" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl saes" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl saes" model' -l 'model' -d 'Only those of this model.' -rfka '(__saectl_custom_completion ---completion saes -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl saes" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl saes" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl sae" -eq 1' -fa 'add' -d 'Add an SAE: a .pt file of PatchSAE, or a folder of SAELens; images in the store are encoded with it.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl sae" -eq 1' -fa 'random' -d 'Make a control: an SAE of random directions whose latents are active as often as those of another.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae add" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae add" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae add" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl sae add" -eq 1' -F
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae add" model' -l 'model' -d 'The model that it was trained on; may be left out where there is only one.' -rfka '(__saectl_custom_completion ---completion sae add -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae add" hook' -l 'hook' -d 'Its hook point, blocks.L.resid_post; may be left out where its configuration says it.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae add" name' -l 'name' -d 'Its name in views.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae add" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae add" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae random" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae random" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae random" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae random" like' -l 'like' -d 'The SAE whose density it takes over, latent by latent.' -rfka '(__saectl_custom_completion ---completion sae random -- --like (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae random" model' -l 'model' -d 'The model; may be left out where only one has that SAE.' -rfka '(__saectl_custom_completion ---completion sae random -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae random" seed' -l 'seed' -d 'Of the random directions; the same seed gives the same SAE.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae random" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl sae random" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapters" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapters" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapters" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapters" model' -l 'model' -d 'Only those of this model.' -rfka '(__saectl_custom_completion ---completion adapters -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapters" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapters" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl adapter" -eq 1' -fa 'add' -d 'Add an adapter; images in the store are encoded with it, at low priority.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl adapter" -eq 1' -fa 'activate' -d 'Encode images with it again, those too that came meanwhile.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl adapter" -eq 1' -fa 'deactivate' -d 'Encode no more images with it and leave its views out of answers; what it made is kept until it is active again.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl adapter" -eq 1' -fa 'rm' -d 'Remove it with its views and all that they have; other adapters\' snapshots stay.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl adapter" -eq 1' -fa 'export' -d 'Write an adapter to a folder: adapter.json and adapter.safetensors, which `adapter add` takes.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter add" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter add" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter add" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl adapter add" -eq 1' -F
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter add" model' -l 'model' -d 'The model that it adapts; may be left out where it fits only one.' -rfka '(__saectl_custom_completion ---completion adapter add -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter add" name' -l 'name' -d 'Its name in views.' -rfka ''
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter add" class-position' -l 'class-position' -d 'CoOp: where it was trained to have the class\'s name, which its file does not say (default: end).' -rfka 'end middle front'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter add" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter add" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter activate" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter activate" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter activate" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl adapter activate" -eq 1' -fka '(__saectl_custom_completion ---completion adapter activate -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter activate" model' -l 'model' -d 'Its model; may be left out where only one has an adapter of that name.' -rfka '(__saectl_custom_completion ---completion adapter activate -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter activate" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter activate" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter deactivate" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter deactivate" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter deactivate" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl adapter deactivate" -eq 1' -fka '(__saectl_custom_completion ---completion adapter deactivate -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter deactivate" model' -l 'model' -d 'Its model; may be left out where only one has an adapter of that name.' -rfka '(__saectl_custom_completion ---completion adapter deactivate -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter deactivate" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter deactivate" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter rm" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter rm" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter rm" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl adapter rm" -eq 1' -fka '(__saectl_custom_completion ---completion adapter rm -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter rm" model' -l 'model' -d 'Its model; may be left out where only one has an adapter of that name.' -rfka '(__saectl_custom_completion ---completion adapter rm -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter rm" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter rm" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter export" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter export" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter export" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl adapter export" -eq 1' -fka '(__saectl_custom_completion ---completion adapter export -- positional@0 (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter export" model' -l 'model' -d 'Its model; may be left out where only one has an adapter of that name.' -rfka '(__saectl_custom_completion ---completion adapter export -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter export" o output' -l 'output' -s 'o' -d 'The folder to write.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter export" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl adapter export" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl classes" -eq 1' -fa 'list' -d 'Print a model\'s class names and templates.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl classes" -eq 1' -fa 'set' -d 'Set a model\'s class names.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes list" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes list" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes list" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes list" model' -l 'model' -d 'The model; may be left out where there is only one.' -rfka '(__saectl_custom_completion ---completion classes list -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes list" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes list" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes set" socket' -l 'socket' -d 'The daemon\'s socket.' -rF
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes set" root' -l 'root' -d 'The daemon\'s root folder; its socket is DIR/saed.sock.' -rfa '(__saectl_complete_directories)'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes set" json' -l 'json' -d 'Print JSON (docs/JSON.md) instead of text.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_positional "saectl classes set" -eq 1' -F
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes set" model' -l 'model' -d 'The model; may be left out where there is only one.' -rfka '(__saectl_custom_completion ---completion classes set -- --model (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes set" templates' -l 'templates' -d 'photo, imagenet, or a text file with one template a line, each with one {}.' -rfka '(__saectl_custom_completion ---completion classes set -- --templates (count (__saectl_tokens -pc)) (string length -- "$(commandline -ct)"))'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes set" version' -l 'version' -d 'Show the version.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl classes set" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saectl' -n '__saectl_should_offer_completions_for_flags_or_options "saectl help" version' -l 'version' -d 'Show the version.'
