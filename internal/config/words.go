package config

import (
	"slices"
	"strings"
)

// FourLetterWords is the set of four letter words that are answered (Java FourLetterCommands). srvr always is, and
// isro is where read-only mode is enabled.
type FourLetterWords struct {
	All   bool     // every word there is
	Words []string // sorted
}

var knownWords = []string{
	"conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst", "srvr", "stat",
	"stmk", "wchc", "wchp", "wchs",
}

// Allows reports whether word is answered. Words are in small letters.
func (w FourLetterWords) Allows(word string) bool {
	return w.All || word == "srvr" || slices.Contains(w.Words, word)
}

// String returns the set as zoo.cfg has it.
func (w FourLetterWords) String() string {
	if w.All {
		return "*"
	}
	return strings.Join(w.Words, ",")
}

func parseWords(value string) FourLetterWords {
	words := splitList(value)
	if slices.Contains(words, "*") {
		return FourLetterWords{All: true}
	}
	return FourLetterWords{Words: words}.with("srvr")
}

// with returns the set with word added. The result shares nothing with w.
func (w FourLetterWords) with(word string) FourLetterWords {
	if w.All {
		return w
	}
	words := append(slices.Clone(w.Words), word)
	slices.Sort(words)
	return FourLetterWords{Words: slices.Compact(words)}
}
