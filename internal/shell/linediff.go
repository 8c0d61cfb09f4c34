package shell

import "strings"

// An edit is a line that two texts have in common (a space), or that one of
// them has.
type edit struct {
	op   byte // ' ', '-' or '+'
	line string
}

// maxTable bounds the work of comparing two texts, in pairs of lines.
const maxTable = 4_000_000

// editScript returns how to get from one text to another: the longest common
// subsequence stays. Texts that are too large for that, after their common
// beginning and end, are replaced as a whole.
func editScript(a, b []string) []edit {
	var head, tail []edit
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head, a, b = append(head, edit{' ', a[0]}), a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail, a, b = append(tail, edit{' ', a[len(a)-1]}), a[:len(a)-1], b[:len(b)-1]
	}
	script := head
	if len(a)*len(b) > maxTable {
		script = replaceAll(script, a, b)
	} else {
		script = commonest(script, a, b)
	}
	for i := len(tail) - 1; i >= 0; i-- {
		script = append(script, tail[i])
	}
	return script
}

func replaceAll(script []edit, a, b []string) []edit {
	for _, line := range a {
		script = append(script, edit{'-', line})
	}
	for _, line := range b {
		script = append(script, edit{'+', line})
	}
	return script
}

// commonest keeps the longest common subsequence.
func commonest(script []edit, a, b []string) []edit {
	width := len(b) + 1
	longest := make([]int32, (len(a)+1)*width) // of a[i:] and b[j:]
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i*width+j] = longest[(i+1)*width+j+1] + 1
			} else {
				longest[i*width+j] = max(longest[(i+1)*width+j], longest[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			script = append(script, edit{' ', a[i]})
			i, j = i+1, j+1
		case longest[(i+1)*width+j] >= longest[i*width+j+1]:
			script = append(script, edit{'-', a[i]})
			i++
		default:
			script = append(script, edit{'+', b[j]})
			j++
		}
	}
	return replaceAll(script, a[i:], b[j:])
}

// splitLines returns the lines of a text without their ends. A text that does
// not end its last line differs from one that does.
func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	if last := len(lines) - 1; lines[last] == "" {
		return lines[:last]
	}
	lines[len(lines)-1] += " (no newline at the end)"
	return lines
}
