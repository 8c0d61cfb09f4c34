package shell

import (
	"fmt"
	"slices"
	"strings"
)

// parsed is a command line after the flags were told from the arguments.
type parsed struct {
	args   []string
	values map[string][]string // by the flag's name; "" for one without value
	chosen string              // which of the command's OneOf
}

// A usageError is a command line that its command does not understand.
type usageError struct {
	command *Command
	java    string // the exception of commons-cli, which zkCli.sh shows
	why     string // "" if the usage says enough
}

func (e *usageError) Error() string {
	switch {
	case e.why == "":
		return e.command.usage()
	case e.java == "":
		return e.why
	}
	return "org.apache.commons.cli." + e.java + ": " + e.why
}

// choose refuses a second flag of those that exclude each other.
func (c *Command) choose(p *parsed, f Flag) error {
	if !slices.Contains(c.OneOf, f.Name) {
		return nil
	}
	if p.chosen != "" && p.chosen != f.Name {
		return &usageError{c, "AlreadySelectedException", fmt.Sprintf("The option '%s' was specified but an option from this group "+
			"has already been selected: '%s'", f.Name, p.chosen)}
	}
	p.chosen = f.Name
	return nil
}

// checkRequired refuses a command line without any of the flags of which one
// must be given.
func (c *Command) checkRequired(p parsed) error {
	if !c.Required || p.chosen != "" || p.values[helpFlag.Name] != nil {
		return nil
	}
	var list []string
	for _, name := range c.OneOf {
		f, _ := c.flag(name)
		list = append(list, "-"+f.Name+" "+f.Doc)
	}
	return &usageError{c, "MissingOptionException", "Missing required option: [" + strings.Join(list, ", ") + "]"}
}

// parseFlags tells flags from arguments as zkCli.sh does, whose parser is
// DefaultParser of Apache commons-cli: flags stand anywhere, -sw is -s -w,
// the value of a flag is the next word or what follows in the same (-v5,
// -v=5), and behind -- all are arguments. What has the form of a flag is one
// even where an argument is expected, numbers as the value of a flag
// excepted. --name is ours: zkCli.sh has no such flags.
func (c *Command) parseFlags(words []string) (parsed, error) {
	p := parsed{values: make(map[string][]string)}
	var open *Flag // waits for its value
	for i, word := range words {
		switch {
		case word == "--" && open != nil:
			return p, c.missing(*open)
		case word == "--":
			p.args = append(p.args, words[i+1:]...)
			return p, c.checkRequired(p)
		case open != nil && !c.looksLikeFlag(word):
			p.set(*open, word)
			open = nil
		case len(word) > 1 && word[0] == '-':
			if open != nil {
				return p, c.missing(*open)
			}
			var err error
			if open, err = c.parseWord(&p, word); err != nil {
				return p, err
			}
		default:
			p.args = append(p.args, word)
		}
	}
	if open != nil {
		return p, c.missing(*open)
	}
	return p, c.checkRequired(p)
}

func (p *parsed) set(f Flag, value string) {
	if f.Repeat || p.values[f.Name] == nil { // commons-cli keeps the first
		p.values[f.Name] = append(p.values[f.Name], value)
	}
}

func (c *Command) missing(f Flag) error {
	return &usageError{c, "MissingArgumentException", "Missing argument for option: " + f.Name}
}

// looksLikeFlag tells whether a word cannot be the value of a flag.
func (c *Command) looksLikeFlag(word string) bool {
	if len(word) < 2 || word[0] != '-' {
		return false
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(word[1:], "-"), "=")
	if _, ok := c.flag(name); ok {
		return true
	}
	if name == "" || strings.HasPrefix(word, "--") {
		return false
	}
	_, ok := c.flag(name[:1])
	return ok
}

// parseWord reads a word that begins with a hyphen. It returns the flag that
// the next word is the value of.
func (c *Command) parseWord(p *parsed, word string) (open *Flag, err error) {
	name, value, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
	unknown := &usageError{c, "UnrecognizedOptionException", "Unrecognized option: " + word}
	if f, ok := c.flag(name); ok && (len(name) > 1 || !strings.HasPrefix(word, "--")) {
		if err := c.choose(p, f); err != nil {
			return nil, err
		}
		switch {
		case f.Value == "" && hasValue:
			return nil, unknown
		case f.Value == "" || hasValue:
			p.set(f, value)
			return nil, nil
		}
		return &f, nil
	}
	if strings.HasPrefix(word, "--") {
		return nil, unknown
	}
	for i := 1; i < len(word); i++ {
		f, ok := c.flag(word[i : i+1])
		if !ok {
			return nil, unknown
		}
		if err := c.choose(p, f); err != nil {
			return nil, err
		}
		switch {
		case f.Value == "":
			p.set(f, "")
		case i+1 < len(word):
			p.set(f, word[i+1:])
			return nil, nil
		default:
			return &f, nil
		}
	}
	return nil, nil
}

// checkCount refuses too few arguments with the usage, as zkCli.sh does.
func (c *Command) checkCount(n int) error {
	switch {
	case n < c.Min:
		return &usageError{command: c}
	case c.Max > 0 && n > c.Max:
		return &usageError{command: c, why: fmt.Sprintf("%s takes %d arguments at most, not %d: %s", c.Name, c.Max, n, c.usage())}
	}
	return nil
}
