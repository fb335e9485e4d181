import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';

export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/* What a list query gives. (The type of the cursor is lost on the way through useInfiniteQuery.) */
export type PagesOf<Item> = InfiniteData<Page<Item>, unknown>;
export type PagesQuery<Item> = UseInfiniteQueryResult<PagesOf<Item>>;

/* What every cursor-paged list has in common: spread into useInfiniteQuery. */
export const cursorPaging = {
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last: Page<unknown>): string | undefined => last.nextCursor ?? undefined,
};

export function itemsOf<Item>(pages: PagesOf<Item> | undefined): Item[] {
  return pages?.pages.flatMap((page) => page.items) ?? [];
}
