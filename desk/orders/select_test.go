package orders

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// someRows returns rows that are sorted by [CompareRows].
func someRows() []Row {
	return []Row{
		{
			SalesOrderID: "1", OrderNumber: "SO-1", Customer: "Oak & Anvil", SalesRep: "Al",
			Status: ordercheck.StatusFailed, FailedRules: []string{"price", "depth"},
			Since: noon.Add(-48 * time.Hour),
		},
		{
			SalesOrderID: "2", OrderNumber: "SO-2", Customer: "Elm", SalesRep: "Bo",
			Status: ordercheck.StatusPending, FailedRules: []string{"price"},
			Since: noon.Add(-2 * time.Hour),
		},
		{
			SalesOrderID: "3", OrderNumber: "SO-3", Customer: "Elm", SalesRep: "Bo",
			Status: ordercheck.StatusOverridden, FailedRules: []string{"price"},
			Since: noon.Add(time.Second), // by Temporal's clock
		},
	}
}

func ids(rows []Row) string {
	var list []string
	for i := range rows {
		list = append(list, rows[i].SalesOrderID)
	}
	return strings.Join(list, " ")
}

func TestSelect(t *testing.T) {
	t.Parallel()
	for want, filters := range map[string][]Filter{
		"1 2 3": {{}, {Rule: "price"}, {Query: " so- "}, {Limit: 3}},
		"1 2":   {{Status: StatusHeld}, {MinAge: time.Hour}, {Limit: 2}},
		"1":     {{Status: ordercheck.StatusFailed}, {Rule: "depth"}, {Query: "ANVIL"}, {Query: "1"}},
		"2 3":   {{Rep: "Bo"}, {Query: "elm"}, {Offset: 1}},
		"3":     {{Offset: 2, Limit: 5}, {Rep: "Bo", Status: ordercheck.StatusOverridden}},
		"":      {{Rep: "bo"}, {Offset: 9}, {Query: "4"}, {Status: ordercheck.StatusPassed}},
	} {
		for _, filter := range filters {
			page, err := Select(someRows(), filter, noon)
			require.NoError(t, err)
			assert.Equal(t, want, ids(page.Rows), "%+v", filter)
		}
	}
}

func TestCountsIgnoreTheirOwnFilter(t *testing.T) {
	t.Parallel()
	page, err := Select(someRows(), Filter{Status: ordercheck.StatusPending, Rep: "Bo"}, noon)
	require.NoError(t, err)
	assert.Equal(t, 1, page.Total)
	assert.Equal(t, Counts{
		Status: []Count{{"held", 1}, {"overridden", 1}, {"pending", 1}},
		Rule:   []Count{{"price", 1}}, Rep: []Count{{"Bo", 1}}, Age: []int{1, 1, 0, 0},
	}, page.Counts)
}

func TestCursorSurvivesChangesOfTheList(t *testing.T) {
	t.Parallel()
	rows := someRows()
	first, err := Select(rows, Filter{Limit: 2}, noon)
	require.NoError(t, err)
	require.NotEmpty(t, first.Next)
	for name, changed := range map[string][]Row{
		"nothing changed": rows, "the first order left": rows[1:], "both orders left": rows[2:],
	} {
		next, err := Select(changed, Filter{Limit: 2, After: first.Next}, noon)
		require.NoError(t, err)
		assert.Equal(t, "3", ids(next.Rows), name)
		assert.Empty(t, next.Next, name)
	}
	for _, forged := range []string{"x", first.Next[1:], first.Next + "=", "MjAyNiAx", "\x00"} {
		_, err := Select(rows, Filter{After: forged}, noon)
		require.ErrorIs(t, err, ErrCursor, forged)
	}
}
