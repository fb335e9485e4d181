import { createLink } from '@tanstack/react-router';
import { forwardRef, type AnchorHTMLAttributes } from 'react';

import classes from './components.module.css';

/* The router's link in the page's own clothes. */
export const TextLink = createLink(
  forwardRef<HTMLAnchorElement, AnchorHTMLAttributes<HTMLAnchorElement>>(function Anchor({ children, ...rest }, ref) {
    return (
      <a ref={ref} {...rest} className={classes.textLink}>
        {children}
      </a>
    );
  }),
);
