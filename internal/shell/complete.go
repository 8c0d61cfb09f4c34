package shell

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// completeTimeout bounds how long Tab waits for a server.
const completeTimeout = 700 * time.Millisecond

// maxListed bounds the list that Tab shows.
const maxListed = 200

// A candidate is a way to complete a word.
type candidate struct {
	word string
	more bool // it may go on, so no space follows
}

// complete completes the last word of a line. It returns the line, and what
// to choose from if there is a choice.
func (s *Shell) complete(line string) (string, []string) {
	word, quote := lastWord(line)
	all := s.candidates(split(line[:len(line)-len(word)-len(quote)]), word)
	all = slices.DeleteFunc(all, func(c candidate) bool { return !strings.HasPrefix(c.word, word) })
	if len(all) == 0 {
		return line, nil
	}
	common := all[0].word
	for _, c := range all[1:] {
		for !strings.HasPrefix(c.word, common) {
			common = common[:len(common)-1]
		}
	}
	for !utf8.ValidString(common) && len(common) > len(word) {
		common = common[:len(common)-1] // not half a letter
	}
	head := line[:len(line)-len(word)]
	if quote == "" && strings.ContainsAny(common, " \t") {
		head += `"`
		quote = `"`
	}
	switch {
	case len(all) == 1 && !all[0].more:
		return head + common + quote + " ", nil
	case len(all) == 1 && common == word && !strings.HasSuffix(word, "/"):
		return head + common + "/", nil
	case len(common) > len(word):
		return head + common, nil
	case len(all) == 1:
		return line, nil
	}
	return line, list(all)
}

// list returns the last parts of the candidates.
func list(all []candidate) []string {
	var names []string
	for _, c := range all[:min(len(all), maxListed)] {
		names = append(names, c.word[strings.LastIndexByte(strings.TrimSuffix(c.word, "/"), '/')+1:])
	}
	slices.Sort(names)
	if len(all) > maxListed {
		names = append(names, "…")
	}
	return names
}

// lastWord returns the word at the end of a line, and the quote it is in.
func lastWord(line string) (word, quote string) {
	open, start := "", 0
	for i, r := range line {
		switch {
		case open == "" && (r == '"' || r == '\'') && i == start:
			open, start = string(r), i+1
		case open != "" && string(r) == open:
			open = ""
		case open == "" && (r == ' ' || r == '\t'):
			start = i + 1
		}
	}
	return line[start:], open
}

// candidates returns what the next word may be. Those for paths come from
// the server.
func (s *Shell) candidates(before []string, word string) []candidate {
	if len(before) == 0 {
		return commandNames()
	}
	cmd := find(before[0])
	if cmd == nil {
		return nil
	}
	if last := before[len(before)-1]; len(before) > 1 && strings.HasPrefix(last, "-") {
		if f, ok := cmd.flag(strings.TrimLeft(last, "-")); ok && f.Value != "" {
			if f.Name == "file" {
				return files(word)
			}
			return words(f.Choices...)
		}
	}
	if strings.HasPrefix(word, "-") {
		var all []candidate
		for _, f := range cmd.all() {
			all = append(all, words(strings.Fields(f.spelling())[0])...)
		}
		return all
	}
	p, err := cmd.parseFlags(before[1:])
	if err != nil && p.args == nil {
		return nil
	}
	switch cmd.arg(len(p.args)) {
	case ArgPath:
		return s.nodes(word)
	case ArgFile:
		return files(word)
	case ArgCommand:
		return commandNames()
	case ArgOnOff:
		return words("on", "off")
	}
	return nil
}

func words(list ...string) []candidate {
	var all []candidate
	for _, w := range list {
		all = append(all, candidate{word: w})
	}
	return all
}

func commandNames() []candidate {
	var all []candidate
	for _, c := range Commands() {
		all = append(all, words(append([]string{c.Name}, c.Aliases...)...)...)
	}
	return all
}

// nodes asks the server which nodes a path may go on with.
func (s *Shell) nodes(word string) []candidate {
	if s.live == nil || !s.live.client.State().Up() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	dir, name := path.Split(word)
	parent := s.resolve(dir)
	if parent = strings.TrimSuffix(parent, "/"); parent == "" {
		parent = "/"
	}
	names, _, err := s.live.client.Children(ctx, parent)
	if err != nil {
		return nil
	}
	slices.Sort(names)
	var all []candidate
	for _, n := range names {
		if strings.HasPrefix(n, name) {
			all = append(all, candidate{dir + n, false})
		}
	}
	if len(all) == 1 { // only then it is worth a question
		stat, _, err := s.live.client.Exists(ctx, s.resolve(all[0].word))
		all[0].more = err == nil && stat.NumChildren > 0
	}
	return all
}

// files returns local files.
func files(word string) []candidate {
	dir, name := filepath.Split(word)
	at := dir
	if at == "" {
		at = "."
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		return nil
	}
	var all []candidate
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name) && (name != "" || !strings.HasPrefix(e.Name(), ".")) {
			all = append(all, candidate{dir + e.Name(), e.IsDir()})
		}
	}
	return all
}
