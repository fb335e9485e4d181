import { z } from 'zod';

import type { FieldValues, Path, UseFormSetError } from 'react-hook-form';

import { ApiError } from '../../api/problem';
import { DELIVERING_CHANNELS, PRIORITIES, type TicketCreate } from '../../api/types';

/* What the form holds. Messages are keys of the locale files, under ticketForm.error. The server's schema has the last word: this one only spares a round trip. */
export const ticketForm = z.object({
  title: z
    .string()
    .refine((title) => title.trim() !== '', 'titleRequired')
    // As the server counts: code points, not UTF-16 units.
    .refine((title) => [...title].length <= 200, 'titleLong'),
  description: z.string().refine((description) => [...description].length <= 20000, 'descriptionLong'),
  priority: z.enum(PRIORITIES),
  channels: z.array(z.enum(DELIVERING_CHANNELS)),
  tags: z
    .string()
    .refine((tags) => splitTags(tags).length <= 20, 'tagsMany')
    .refine((tags) => splitTags(tags).every((tag) => [...tag].length <= 50), 'tagLong'),
  ownerId: z.string().refine((id) => /^[!-~]{0,128}$/.test(id.trim()), 'ownerBad'),
});

export type TicketForm = z.infer<typeof ticketForm>;

export const emptyTicketForm: TicketForm = { title: '', description: '', priority: 'normal', channels: [], tags: '', ownerId: '' };

function splitTags(tags: string): string[] {
  return tags
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '');
}

/* What isn't filled in is left out, and so is decided by the server. */
export function toTicket(form: TicketForm): TicketCreate {
  const tags = splitTags(form.tags);
  const ownerId = form.ownerId.trim();
  return {
    title: form.title.trim(),
    description: form.description,
    priority: form.priority,
    ...(form.channels.length > 0 && { channels: form.channels }),
    ...(tags.length > 0 && { tags }),
    ...(ownerId !== '' && { ownerId }),
  };
}

/* Puts the errors of a problem at the fields that their pointers name ("/tags/3" is the field "tags"). True when every one found its field. */
export function showAtFields<Form extends FieldValues>(error: Error, fields: readonly Path<Form>[], setError: UseFormSetError<Form>): boolean {
  const errors = error instanceof ApiError ? (error.problem?.errors ?? []) : [];
  let placed = 0;
  for (const { pointer, detail } of errors) {
    const field = fields.find((name) => pointer === `/${name}` || pointer.startsWith(`/${name}/`));
    if (field === undefined) continue;
    setError(field, { type: 'server', message: detail }, { shouldFocus: placed === 0 });
    placed++;
  }
  return placed > 0 && placed === errors.length;
}
