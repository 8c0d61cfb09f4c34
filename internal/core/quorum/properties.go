package quorum

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Property is one key of a Java properties text, in which configurations are written.
type Property struct {
	Key, Value string // trimmed
	Begin, End int    // the bytes of its lines in the text, the end of the last line included
}

// Properties splits a text as java.util.Properties.load does, in its order and with keys that stand there twice.
// Bytes outside ASCII stay as they are. The error names the line.
func Properties(text string) ([]Property, error) {
	var found []Property
	number := 0
	for at := 0; at < len(text); {
		line, end := naturalLine(text, at)
		number++
		begin, first := at, number
		at = end
		line = strings.TrimLeft(line, blanks)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for endsInBackslash(line) {
			line = line[:len(line)-1]
			if at == len(text) {
				break
			}
			var next string
			next, at = naturalLine(text, at)
			number++
			line += strings.TrimLeft(next, blanks)
		}
		p, err := parseProperty(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", first, err)
		}
		p.Begin, p.End = begin, at
		found = append(found, p)
	}
	return found, nil
}

const blanks = " \t\f"

// naturalLine returns the line that begins at a byte, without its end, and where the next one begins.
func naturalLine(text string, at int) (line string, next int) {
	n := strings.IndexAny(text[at:], "\r\n")
	if n < 0 {
		return text[at:], len(text)
	}
	next = at + n + 1
	if text[next-1] == '\r' && next < len(text) && text[next] == '\n' {
		next++
	}
	return text[at : at+n], next
}

func endsInBackslash(line string) bool {
	backslashes := len(line) - len(strings.TrimRight(line, `\`))
	return backslashes%2 == 1
}

// parseProperty reads a logical line: the key ends at the first =, : or blank that is not escaped.
func parseProperty(line string) (Property, error) {
	end := 0
	for end < len(line) && !strings.ContainsRune("=:"+blanks, rune(line[end])) {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	value := strings.TrimLeft(line[end:], blanks)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], blanks)
	}
	key, err := unescape(line[:end])
	if err != nil {
		return Property{}, err
	}
	value, err = unescape(value)
	return Property{Key: trim(key), Value: trim(value)}, err
}

func unescape(text string) (string, error) {
	if !strings.ContainsRune(text, '\\') {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			code, err := strconv.ParseUint(text[i+1:min(i+5, len(text))], 16, 16)
			if err != nil || i+5 > len(text) {
				return "", errors.New(`malformed \uXXXX; write four hexadecimal digits`)
			}
			b.WriteRune(rune(code))
			i += 4
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String(), nil
}
