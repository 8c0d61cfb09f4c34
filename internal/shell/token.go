package shell

import "regexp"

// token finds the words of a line: without quotes up to the next space, or
// from a quote to the same quote. There are no escapes, a quote inside a word
// is a letter, and one that is not closed is left out.
// (ZooKeeperMain.MyCommandOptions.ARGS_PATTERN; \v is in Java's \s.)
var token = regexp.MustCompile(`[\s\v]*([^"'][^\s\v]*|"[^"]*"|'[^']*')[\s\v]*`)

// split returns the words of a line.
func split(line string) []string {
	var words []string
	for _, m := range token.FindAllStringSubmatch(line, -1) {
		w := m[1]
		if len(w) >= 2 && (w[0] == '"' || w[0] == '\'') && w[len(w)-1] == w[0] {
			w = w[1 : len(w)-1]
		}
		words = append(words, w)
	}
	return words
}
