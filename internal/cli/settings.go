package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"quokka/internal/config"
)

// settings are the parts of a command line that configure a server: flags
// named after keys of zoo.cfg, and Java's -D.
type settings struct {
	flags      map[string]string
	properties []string
}

// splitSettings takes the settings out of a command line. A flag of a true or
// false key needs no value.
func splitSettings(args []string) (rest []string, s settings) {
	s.flags = make(map[string]string)
	boolean := make(map[string]bool)
	for k := range config.Keys() {
		boolean[k.Flag] = k.Boolean
	}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" { // no flags behind it
			rest = append(rest, args[i:]...)
			break
		}
		if p, ok := strings.CutPrefix(arg, "-D"); ok && p != "" {
			s.properties = append(s.properties, p)
			continue
		}
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' { // -seed is --seed: there are no short flags
			arg = "-" + arg
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		isBool, known := boolean[name]
		if !known || !strings.HasPrefix(arg, "--") {
			rest = append(rest, arg)
			continue
		}
		switch {
		case hasValue:
		case isBool:
			value = "true"
		case i+1 < len(args):
			i++
			value = args[i]
		}
		s.flags[name] = value
	}
	return rest, s
}

// load makes the Config of a server from its positional arguments and all
// else that configures it, and logs what there is to notice.
func (e *env) load(positional []string) (config.Config, error) {
	cfg, notices, err := config.Load(config.Args{
		Positional: positional, Properties: e.overrides.properties, Overrides: e.overrides.flags, Environ: e.Environ,
	})
	for _, n := range notices {
		level := slog.LevelInfo
		if n.Level == config.Warn {
			level = slog.LevelWarn
		}
		e.log.Log(e.ctx, level, n.String())
	}
	if err != nil {
		return config.Config{}, &configError{err}
	}
	return cfg, nil
}

// configError is what forbids a server to start, one line for each.
type configError struct{ err error }

func (e *configError) Error() string {
	var b strings.Builder
	b.WriteString("the configuration is not valid:")
	var list interface{ Unwrap() []error }
	if !errors.As(e.err, &list) {
		return fmt.Sprint(b.String(), " ", e.err)
	}
	for _, err := range list.Unwrap() {
		b.WriteString("\n  " + err.Error())
	}
	return b.String()
}

func (e *configError) Unwrap() error { return e.err }

// ExitCode is Java's for an invalid configuration.
func (e *configError) ExitCode() int { return config.ExitCode }
