package fakeinflow

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// whole returns a copy of a document with the entities that it refers to, as they were at the time
// then. If before is not nil, whole adds these entities to it, by kind and id.
func (s *store) whole(
	document map[string]any, then time.Time, before map[string]map[string]any,
) map[string]any {
	whole, _ := copyOf(document, func(to reference) any {
		r := s.find(to.kind, to.id)
		if r == nil {
			return nil
		}
		entity := r.at(then)
		if entity == nil { // created together with the document
			entity = r.document
		}
		if before != nil {
			before[to.kind+strings.ToLower(to.id)] = entity
		}
		return cloneObject(entity)
	}).(map[string]any)
	return whole
}

// takeIn saves the entities in a document, and puts references in their place. It saves new
// entities, entities of before that have changed and, of other known entities, the fields that the
// document has.
func (s *store) takeIn(
	kind string, document map[string]any, before map[string]map[string]any, now time.Time,
) []change {
	var changes []change
	s.eachRelated(kind, document, func(holder map[string]any, field, related string) {
		entity, given := holder[field].(map[string]any)
		id := fieldText(entity, idField(related))
		was, isOld := before[related+strings.ToLower(id)]
		unchanged := isOld && equal(was, entity)
		// If the document does not change the entity itself, the id field next to it decides which
		// entity it is.
		beside := fieldText(holder, idField(related))
		if !given && !has(holder, field) || unchanged && !strings.EqualFold(beside, id) {
			if r := s.find(related, beside); r != nil {
				holder[field] = reference{related, r.id}
				return
			}
		}
		if !given || !entityIDForm.MatchString(id) {
			return // null, or a part of this document
		}
		if what, changed := s.save(related, id, entity, isOld, unchanged, now); changed {
			changes = append(changes, what)
		}
		holder[field] = reference{related, id}
	})
	return changes
}

func has(object map[string]any, field string) bool {
	_, present := object[field]
	return present
}

// save saves an entity that came inside another one. A new entity causes no change, because in
// InFlow it would have existed before; only the stand-in did not know it.
func (s *store) save(
	kind, id string, entity map[string]any, whole, unchanged bool, now time.Time,
) (what change, changed bool) {
	r := s.find(kind, id)
	if r == nil {
		if fieldText(entity, "timestamp") == "" {
			entity["timestamp"] = s.nextVersion()
		}
		s.insert(kind, id, entity, time.Time{})
		return change{}, false
	}
	if unchanged {
		return change{}, false
	}
	merged := entity
	if !whole {
		merged = maps.Clone(r.document)
		maps.Copy(merged, entity)
	}
	merged["timestamp"] = r.document["timestamp"]
	if equal(merged, r.document) {
		return change{}, false
	}
	merged["timestamp"] = s.nextVersion()
	s.replace(r, merged, now)
	return change{updated, r}, true
}

// eachRelated visits the places of a document that may have an entity of another kind.
func (s *store) eachRelated(
	kind string, document map[string]any, visit func(holder map[string]any, field, related string),
) {
	for _, field := range slices.Sorted(maps.Keys(relations[kind])) {
		next := relations[kind][field]
		if s.collections[next] != nil {
			visit(document, field, next)
			continue
		}
		inside, _ := document[field].([]any)
		for _, entry := range inside {
			if object, ok := entry.(map[string]any); ok {
				s.eachRelated(next, object, visit)
			}
		}
	}
}
