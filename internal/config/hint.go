package config

import "strings"

// hint returns the known name that is nearest to name in letters, or an empty text if none is near.
func hint(name string, known []string) string {
	name = letters(name)
	const longest = 100
	if len(name) > longest {
		return ""
	}
	best, bestDistance := "", max(2, len(name)/4)+1
	for _, k := range known {
		if d := distance(name, letters(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// letters drops what people get wrong first: capitals and separators.
func letters(name string) string {
	return strings.NewReplacer(".", "", "_", "", "-", "").Replace(strings.ToLower(name))
}

// distance counts the letters to insert, delete or replace to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

func knownKeys() []string {
	keys := make([]string, 0, len(table))
	for i := range table {
		keys = append(keys, table[i].key)
	}
	return keys
}

// didYouMean returns a sentence with the nearest known name, or an empty text.
func didYouMean(name string, known []string) string {
	if near := hint(name, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
