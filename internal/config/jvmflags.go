package config

import "strings"

// jvmFlags is what was found in JVMFLAGS or SERVER_JVMFLAGS.
type jvmFlags struct {
	properties []string // name=value
	others     []string // names of flags that mean nothing here
}

// splitFlags divides a line into words the way a shell does: at blanks, except inside single or double quotes and
// after a backslash. A quote that is not closed ends with the line.
func splitFlags(line string) []string {
	var words []string
	var word strings.Builder
	inWord := false
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		b := line[i]
		switch {
		case b == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			inWord = true
		case quote != 0 && b == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(b)
		case b == '\'' || b == '"':
			quote, inWord = b, true
		case b == ' ' || b == '\t' || b == '\n' || b == '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteByte(b)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

func parseJVMFlags(line string) jvmFlags {
	var f jvmFlags
	for _, word := range splitFlags(line) {
		if property, ok := strings.CutPrefix(word, "-D"); ok && property != "" {
			f.properties = append(f.properties, property)
			continue
		}
		// What follows the name may be anything, a password of an agent too.
		name, _, _ := strings.Cut(word, "=")
		f.others = append(f.others, name)
	}
	return f
}
