// The table of databases: its whole state is in the URL, and what just happened stands first.
import { claim, expect, open, test } from './console'

test('a database that was just claimed stands first among the newest claims', async ({ page, request }) => {
  await open(page, '/databases?sort=claimed')
  const { owner } = await claim(request)
  await expect(page.locator('tbody tr').filter({ hasText: owner.email })).toBeVisible()
})

test('filters apply at once and stand in the URL', async ({ page }) => {
  await open(page, '/databases')
  await page.getByLabel('State').selectOption('available')
  await expect(page).toHaveURL('/databases?state=available')
  await expect(page.locator('tbody tr').first()).toBeVisible()
  await expect(page.locator('tbody tr').filter({ hasNotText: 'available' })).toHaveCount(0)
  await page.goBack()
  await expect(page).toHaveURL('/databases')
  await expect(page.getByLabel('State')).toHaveValue('')
})

test('a text is searched for while it is typed', async ({ page, request }) => {
  const { owner } = await claim(request)
  await open(page, '/databases')
  await page.getByLabel('Text').pressSequentially(owner.id)
  await expect(page).toHaveURL(`/databases?text=${owner.id}`)
  await expect(page.locator('tbody tr')).toHaveCount(1)
  await page.getByRole('link', { name: owner.email }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(owner.email)
})

test('a link shows another person the same', async ({ page }) => {
  await open(page, '/databases?state=claimed&plan=free&sort=size')
  await expect(page.getByLabel('State')).toHaveValue('claimed')
  await expect(page.getByLabel('Plan')).toHaveValue('free')
  await expect(page.getByRole('columnheader', { name: 'Size' })).toHaveAttribute('aria-sort', 'descending')
})

test('ordering keeps the filters; paging goes there and back', async ({ page }) => {
  await open(page, '/databases?state=claimed')
  await page.getByRole('link', { name: 'Size' }).click()
  await expect(page).toHaveURL('/databases?state=claimed&sort=size')
  await expect(page.getByRole('columnheader', { name: 'Size' })).toHaveAttribute('aria-sort', 'descending')
  const first = page.locator('tbody tr').first().locator('a')
  const largest = await first.getAttribute('href')
  await page.getByRole('link', { name: 'Next' }).click()
  await expect(page).toHaveURL(/sort=size&after=/)
  await expect(first).not.toHaveAttribute('href', String(largest))
  await page.getByRole('link', { name: 'Previous' }).click()
  await expect(first).toHaveAttribute('href', String(largest))
})

test('nothing found says how to see more', async ({ page }) => {
  await open(page, '/databases?text=nobody-has-this-name')
  await expect(page.getByText('No database matches these filters')).toBeVisible()
  await page.getByRole('link', { name: 'Show all databases' }).click()
  await expect(page).toHaveURL('/databases')
  await expect(page.locator('tbody tr').first()).toBeVisible()
})
