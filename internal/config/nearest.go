package config

import "strings"

// Nearest returns the known word that word is most likely a misspelling of, without regard to case.
// It returns false if none is close: up to a third of the letters may be wrong. Of two equally close
// words the one listed first wins.
func Nearest(word string, known []string) (string, bool) {
	word = strings.ToLower(word)
	nearest, least := "", (len(word)+2)/3+1
	for _, candidate := range known {
		folded := strings.ToLower(candidate)
		if distance := editDistance(word, folded); distance < least && distance < len(folded) {
			nearest, least = candidate, distance
		}
	}
	return nearest, nearest != ""
}

// editDistance counts the octets to insert, delete or replace to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // row[j] is the distance of a[:i] and b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
