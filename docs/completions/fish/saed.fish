function __saed_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __saed_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __saed_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __saed_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __saed_parse_tokens -S
    set -l unparsed_tokens (__saed_tokens -pc)
    switch $unparsed_tokens[1]
    case 'saed'
        __saed_parse_subcommand 0 'version' 'h/help'
        switch $unparsed_tokens[1]
        case 'run'
            __saed_parse_subcommand 0 'root=' 'config=' 'version' 'h/help'
        case 'check-config'
            __saed_parse_subcommand 1 'version' 'h/help'
        case 'help'
            __saed_parse_subcommand -r 1 'version'
        end
    end
end

function __saed_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __saed_parse_subcommand -S -a positional_count
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

function __saed_complete_directories
    set -l token (commandline -t)
    string match -- '*/' $token
    set -l subdirs $token*/
    printf %s\n $subdirs
end

function __saed_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__saed_tokens -p)
    if test -z "$(__saed_tokens -t)"
        set -l index (count (__saed_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens 2>/dev/null
end

complete -c 'saed' -f
complete -c 'saed' -n '__saed_should_offer_completions_for_flags_or_options "saed" version' -l 'version' -d 'Show the version.'
complete -c 'saed' -n '__saed_should_offer_completions_for_flags_or_options "saed" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saed' -n '__saed_should_offer_completions_for_positional "saed" -eq 1' -fa 'run' -d 'Run the daemon in the foreground, until SIGTERM or Ctrl-C.'
complete -c 'saed' -n '__saed_should_offer_completions_for_positional "saed" -eq 1' -fa 'check-config' -d 'Check a configuration file and print the settings in force, each with its meaning.'
complete -c 'saed' -n '__saed_should_offer_completions_for_positional "saed" -eq 1' -fa 'help' -d 'Show subcommand help information.'
complete -c 'saed' -n '__saed_should_offer_completions_for_flags_or_options "saed run" root' -l 'root' -d 'The folder that holds everything: drop/, store/, quarantine/, saed.sock. Made where there is none.' -rfa '(__saed_complete_directories)'
complete -c 'saed' -n '__saed_should_offer_completions_for_flags_or_options "saed run" config' -l 'config' -d 'A TOML file; without it DIR/saed.toml, where there is one. `saed check-config` shows the keys.' -rfa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'toml\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'saed' -n '__saed_should_offer_completions_for_flags_or_options "saed run" version' -l 'version' -d 'Show the version.'
complete -c 'saed' -n '__saed_should_offer_completions_for_flags_or_options "saed run" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saed' -n '__saed_should_offer_completions_for_positional "saed check-config" -eq 1' -fa '(for p in (string match -e -- \'*/\' (commandline -t);or printf \n)*.\'toml\';printf %s\n $p;end;__fish_complete_directories (commandline -t) \'\')'
complete -c 'saed' -n '__saed_should_offer_completions_for_flags_or_options "saed check-config" version' -l 'version' -d 'Show the version.'
complete -c 'saed' -n '__saed_should_offer_completions_for_flags_or_options "saed check-config" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'saed' -n '__saed_should_offer_completions_for_flags_or_options "saed help" version' -l 'version' -d 'Show the version.'
