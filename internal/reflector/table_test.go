package reflector

import (
	"testing"
)

func TestTableGrowsToItsLimit(t *testing.T) {
	for _, limit := range []int{1, chunk - 1, chunk, chunk + 1, 10*chunk + 7} {
		sessions := newTable(limit)
		taken := map[*session]bool{}
		for x := sessions.take(); x != nil; x = sessions.take() {
			taken[x] = true
			if sessions.open() != len(taken) || sessions.size > len(taken)+chunk {
				t.Fatalf("limit %d: room for %d sessions of which %d are open, but %d were taken",
					limit, sessions.size, sessions.open(), len(taken))
			}
		}
		if len(taken) != limit {
			t.Errorf("limit %d: %d sessions", limit, len(taken))
		}
		for x := range taken {
			sessions.give(x)
		}
		for range limit {
			if x := sessions.take(); !taken[x] {
				t.Fatalf("limit %d: other memory than at first", limit)
			}
		}
	}
}

func TestEverySessionIsVisited(t *testing.T) {
	for _, limit := range []int{0, 1, chunk, visitAtOnce * chunk, visitAtOnce*chunk + 1, 3 * visitAtOnce * chunk} {
		sessions := newTable(limit)
		for x := sessions.take(); x != nil; x = sessions.take() {
			x.open = true
		}
		visits, rounds := map[*session]int{}, (limit+visitAtOnce*chunk-1)/(visitAtOnce*chunk)
		for range rounds {
			most := len(visits) + visitAtOnce*chunk
			sessions.visit(func(x *session) { visits[x]++ })
			if len(visits) > most {
				t.Errorf("limit %d: %d sessions visited at once, want %d at most", limit, len(visits), visitAtOnce*chunk)
			}
		}
		if len(visits) != limit {
			t.Errorf("limit %d: %d sessions visited in %d rounds", limit, len(visits), rounds)
		}
	}
}
