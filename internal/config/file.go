package config

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/magiconair/properties"
)

// setting is one key with its value and the place where it was set.
type setting struct {
	key, value string
	file       string // file, variable or flag
	line       int    // from 1; 0 if file is no file
}

func (s setting) fail(want string) error {
	return &Error{File: s.file, Line: s.line, Key: s.key, Value: quote(s.value), Want: want}
}

func (s setting) notice(level Level, text string) Notice {
	return Notice{Level: level, Text: text, File: s.file, Line: s.line, Key: s.key}
}

// parseFile reads a Java properties file: keys and values trimmed, in the order of the file, duplicates included.
// Bytes are ISO-8859-1, as Properties.load has it: the data directory of a Java server whose zoo.cfg names it in UTF-8
// has the mangled name on disk too.
func parseFile(name string, data []byte) (settings []setting, notices []Notice, errs []error) {
	data, bom := bytes.CutPrefix(data, []byte("\xef\xbb\xbf"))
	if bom {
		notices = append(notices, Notice{Level: Warn, File: name, Line: 1,
			Text: "the file begins with a byte order mark, which Java takes as part of the first key; it is skipped here"})
	}
	loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	for _, l := range logicalLines(string(data)) {
		if strings.IndexByte("=:", l.text[0]) >= 0 {
			errs = append(errs, &Error{File: name, Line: l.number, Want: "a key is missing before '" + l.text[:1] + "'; write key=value"})
			continue
		}
		p, err := loader.LoadBytes([]byte(l.text))
		if err != nil || p.Len() != 1 {
			errs = append(errs, &Error{File: name, Line: l.number, Want: `malformed line; write key=value, and \u only before four hexadecimal digits`})
			continue
		}
		key := p.Keys()[0]
		value, _ := p.Get(key)
		s := setting{key: trim(key), value: trim(value), file: name, line: l.number}
		settings = append(settings, s)
		if strings.IndexFunc(l.text, func(r rune) bool { return r > 0x7e }) >= 0 {
			notices = append(notices, s.notice(Warn, s.key+" contains bytes outside ASCII, which are read as ISO-8859-1 as in Java; write them as \\uXXXX"))
		}
	}
	return settings, notices, errs
}

type logicalLine struct {
	number int // of the natural line it begins on
	text   string
}

// logicalLines joins continued lines and drops blanks and comments, by the rules of java.util.Properties. Doing it
// here gives each key its line number, which the properties package does not tell, and covers a carriage return and
// line feed after the backslash, which that package does not take as one line end.
func logicalLines(text string) []logicalLine {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	var lines []logicalLine
	continued := false
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimLeft(line, " \t\f")
		if !continued {
			if line == "" || line[0] == '#' || line[0] == '!' {
				continue
			}
			lines = append(lines, logicalLine{number: number})
		}
		continued = endsInBackslash(line)
		if continued {
			line = line[:len(line)-1]
		}
		lines[len(lines)-1].text += line
	}
	return dropEmpty(lines)
}

// dropEmpty removes lines of which a lone backslash was all.
func dropEmpty(lines []logicalLine) []logicalLine {
	kept := lines[:0]
	for _, l := range lines {
		if l.text != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

func endsInBackslash(line string) bool {
	backslashes := len(line) - len(strings.TrimRight(line, `\`))
	return backslashes%2 == 1
}

// Directories reads only dataDir and dataLogDir out of a zoo.cfg, for tools that
// look at the data of a server: whether the file would let a server start, and
// whether there is a myid, is not asked. Without dataLogDir both are the same.
func Directories(file string) (dataDir, dataLogDir string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	settings, _, _ := parseFile(file, b)
	for _, s := range settings {
		switch s.key {
		case "dataDir":
			dataDir = s.value
		case "dataLogDir":
			dataLogDir = s.value
		}
	}
	if dataDir == "" {
		return "", "", fmt.Errorf("%s names no dataDir; is it a zoo.cfg?", file)
	}
	if dataLogDir == "" {
		dataLogDir = dataDir
	}
	return dataDir, dataLogDir, nil
}
