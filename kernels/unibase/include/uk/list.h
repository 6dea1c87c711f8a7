/*
 * Doubly linked intrusive list with a head of its own type.
 */
#ifndef UK_LIST_H
#define UK_LIST_H

#include <uk/types.h>

struct uk_list {
	struct uk_list *next;
	struct uk_list *prev;
};

#define UK_LIST_INIT(head)                                                                         \
	{                                                                                          \
		&(head), &(head)                                                                   \
	}

UK_INLINE void uk_list_init(struct uk_list *head)
{
	head->next = head->prev = head;
}
UK_INLINE bool uk_list_empty(const struct uk_list *head)
{
	return head->next == head;
}
UK_INLINE void uk_list_insert(struct uk_list *before, struct uk_list *item)
{
	item->prev = before->prev;
	item->next = before;
	before->prev->next = item;
	before->prev = item;
}
UK_INLINE void uk_list_push_back(struct uk_list *head, struct uk_list *item)
{
	uk_list_insert(head, item);
}
UK_INLINE void uk_list_push_front(struct uk_list *head, struct uk_list *item)
{
	uk_list_insert(head->next, item);
}
/* The item may be removed again, or asked whether it is in a list (uk_list_empty). */
UK_INLINE void uk_list_remove(struct uk_list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	uk_list_init(item);
}

#define uk_list_entry(item, type, member) uk_container(item, type, member)
#define uk_list_first(head, type, member)                                                          \
	(uk_list_empty(head) ? NULL : uk_list_entry((head)->next, type, member))
#define uk_list_each(item, head)                                                                   \
	for (struct uk_list *item = (head)->next; item != (head); item = item->next)
/* May remove `item`. */
#define uk_list_each_safe(item, head)                                                              \
	for (struct uk_list *item = (head)->next, *item##_next = item->next; item != (head);       \
	     item = item##_next, item##_next = item->next)

#endif
