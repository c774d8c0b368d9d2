package gathering_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/gathering"
	"error-check-gate/internal/ordercheck"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func admission(order, key string) *ordercheck.Admission {
	return &ordercheck.Admission{
		Limit: 2, Window: time.Hour,
		Notice: ordercheck.GatheredNotice{
			Key:          key,
			Kind:         ordercheck.NoticeFailed,
			SalesOrderID: order,
			At:           noon,
		},
	}
}

func keys(c *ordercheck.Collection) []string {
	var all []string
	for _, n := range c.Notices {
		all = append(all, n.Key)
	}
	return all
}

func TestNoticesAboveTheLimitAreGathered(t *testing.T) {
	t.Parallel()
	var s gathering.State
	gathered := func(now time.Time, order, key string) bool {
		return s.Admit(now, admission(order, key)).Gathered
	}
	assert.False(t, gathered(noon, "1", "a"))
	assert.False(t, gathered(noon.Add(50*time.Minute), "2", "b"))
	for range 2 { // the caller may have lost the first answer
		assert.True(t, gathered(noon.Add(55*time.Minute), "3", "c"))
		assert.False(t, gathered(noon.Add(55*time.Minute), "1", "a"))
	}
	assert.False(t, s.Due(noon.Add(time.Hour-1)))
	at, _ := s.Wake(noon)
	assert.Equal(t, noon.Add(time.Hour), at)

	late := noon.Add(time.Hour + time.Minute)
	assert.True(t, gathered(late, "4", "d"), "another notice is still waiting")
	require.True(t, s.Due(late))
	s.Begin(late)
	assert.Equal(t, []string{"c", "d"}, keys(&s.Sending.Collection))
	assert.Equal(t, "gathered-c", s.Sending.Key)
	assert.Equal(t, late, s.Sending.At)

	assert.True(t, gathered(late, "3", "e"), "no notice overtakes an earlier one of its order")
	assert.False(t, s.Due(late.Add(2*time.Hour)), "one message at a time")
	s.Done()
	assert.True(t, s.Due(late.Add(time.Hour)))
	s.Begin(late.Add(time.Hour))
	s.Done()
	assert.False(t, gathered(late.Add(90*time.Minute), "3", "f"), "second of two in this window")
	assert.True(t, gathered(late.Add(90*time.Minute), "5", "g"))
}

func TestShorterWindowAppliesAtOnce(t *testing.T) {
	t.Parallel()
	var s gathering.State
	for _, key := range []string{"a", "b", "c"} {
		s.Admit(noon, admission(key, key))
	}
	shorter := admission("d", "d")
	shorter.Window = time.Minute
	assert.True(t, s.Admit(noon.Add(time.Second), shorter).Gathered)
	at, _ := s.Wake(noon)
	assert.Equal(t, noon.Add(61*time.Second), at)
}

func TestDecisionIsKeptWhileTheCallerMayAskAgain(t *testing.T) {
	t.Parallel()
	var s gathering.State
	began := noon.Add(-time.Minute)
	assert.False(t, s.Idle(noon, began), "the first admission may still arrive")
	for i, key := range []string{"a", "b", "c"} {
		assert.Equal(t, i == 2, s.Admit(noon, admission(key, key)).Gathered)
	}
	s.Begin(noon.Add(time.Hour))
	s.Done()
	for _, after := range []time.Duration{time.Hour, 24 * time.Hour} {
		assert.True(t, s.Admit(noon.Add(after), admission("c", "c")).Gathered, "as the first time")
		assert.True(t, s.Waiting.Key == "")
		assert.False(t, s.Idle(noon.Add(after), began))
	}
	at, _ := s.Wake(began)
	assert.True(t, s.Idle(at, began))
}

func TestMovedLeavesTheOrderOut(t *testing.T) {
	t.Parallel()
	var s gathering.State
	for _, n := range []struct{ order, key string }{{"1", "a"}, {"2", "b"}, {"1", "c"}} {
		a := admission(n.order, n.key)
		a.Gather = true
		assert.True(t, s.Admit(noon, a).Gathered, "below the limit, but the caller asks for it")
	}
	s.Begin(noon.Add(time.Hour))
	s.Moved("1")
	assert.Equal(t, []string{"b"}, keys(&s.Sending.Collection))
}

// TestStateFitsAPayload checks the size of a full state, because the next run gets the state in
// one payload of at most 2 MiB.
func TestStateFitsAPayload(t *testing.T) {
	t.Parallel()
	var s gathering.State
	number := 0
	fill := func() {
		for range 6000 {
			number++
			a := admission(fmt.Sprintf("%0128d", number), fmt.Sprintf("%032d", number))
			long := strings.Repeat("<\x00", 1000)
			a.Notice.Customer, a.Notice.OrderNumber, a.Notice.What, a.Notice.First = long, long, long, long
			s.Admit(noon, a)
		}
	}
	fill()
	s.Begin(noon.Add(time.Hour))
	fill()
	data, err := json.Marshal(s)
	require.NoError(t, err)
	assert.Less(t, len(data), 2<<20-128<<10)
	for _, g := range []*gathering.Gathered{&s.Waiting, s.Sending} {
		assert.LessOrEqual(t, len(g.Notices), ordercheck.MaxGathered)
		assert.NotZero(t, g.Notices)
	}
	assert.Equal(t, 5999, len(s.Waiting.Notices)+s.Waiting.Omitted)
	assert.Equal(t, 5998, len(s.Sending.Notices)+s.Sending.Omitted)
}

// TestEachNoticeIsSentOnceAndInOrder tries random sequences in which answers are lost, states go
// to the next run, and messages take time.
func TestEachNoticeIsSentOnceAndInOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // no secret
		var s gathering.State
		var received []string // keys in the sequence in which the receiver gets them
		now := noon
		next := map[string]int{} // the latest notice of each order
		asked := map[string]bool{}
		for range 400 {
			now = now.Add(time.Duration(random.IntN(300)) * time.Second)
			switch random.IntN(6) {
			case 0, 1, 2: // an order asks once or twice
				order := fmt.Sprint(random.IntN(8))
				next[order]++
				key := fmt.Sprintf("%s-%03d", order, next[order])
				asked[key] = true
				admitted := s.Admit(now, admission(order, key))
				for range random.IntN(2) {
					require.Equal(t, admitted, s.Admit(now.Add(time.Second), admission(order, key)))
				}
				if !admitted.Gathered {
					received = append(received, key)
				}
			case 3:
				if s.Due(now) {
					s.Begin(now)
				}
			case 4:
				if s.Sending != nil {
					received = append(received, keys(&s.Sending.Collection)...)
					s.Done()
				}
			case 5:
				data, err := json.Marshal(s)
				require.NoError(t, err)
				s = gathering.State{}
				require.NoError(t, json.Unmarshal(data, &s))
			}
		}
		for s.Sending != nil || len(s.Waiting.Notices) > 0 {
			if s.Sending == nil {
				now = now.Add(time.Hour)
				s.Begin(now)
			}
			received = append(received, keys(&s.Sending.Collection)...)
			s.Done()
		}
		count, last := map[string]int{}, map[string]string{}
		for _, key := range received {
			count[key]++
			order, _, _ := strings.Cut(key, "-")
			require.Less(t, last[order], key, "seed %d: a notice came out of sequence", seed)
			last[order] = key
		}
		require.Len(t, count, len(asked), "seed %d", seed)
		for key, n := range count {
			require.Equal(t, 1, n, "seed %d: %s", seed, key)
		}
	}
}
